# The golden case in Julia: see tests/golden.rs. ARGS[1] is the committed model.

using Stoq

bits(value) = string(reinterpret(UInt64, value); base = 16, pad = 16)

# Site number s in C order has the indices s ÷ 16 and s % 16; Julia's own order of memory is another one.
phi = [(mod(7 * (16 * x + y), 32) - 16) / 16 for x in 0:15, y in 0:15]
layout = Layout(phi)
action = phi4_action(layout, 0.27, 0.022)
hmc = Chain(layout; action, kernel = STOQ_KERNEL_HMC, seed = 2026)
path = Chain(layout; action, model = Model(ARGS[1]), seed = 2026, chain = 1, levels = 10)
outcomes = [Int(step!(chain, phi)) for chain in (hmc, path), _ in 1:20]
println("outcomes ", join(outcomes))
println("hmc ", join(statistics(hmc), " "))
println("path ", join(statistics(path), " "))
println("action ", bits(evaluate(action, phi)))
foreach(value -> println("field ", bits(value)), permutedims(phi))
