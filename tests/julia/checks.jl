# What the checks of the Julia binding share: assertions that are counted, and the free field on 4 x 4.

using Stoq, Statistics

passed = 0

function check(condition, what = "")
    global passed += 1
    condition || error("check $passed failed: $what")
    return nothing
end

"""`work` throws a `kind` whose text contains `word`."""
function throws(work, kind, word; status = nothing)
    exception = try
        work()
        nothing
    catch thrown
        thrown
    end
    check(exception isa kind, "expected $kind, got $exception")
    check(occursin(word, sprint(showerror, exception)), "$exception has no $word")
    status === nothing || check(exception.status == status, exception)
    return nothing
end

neighbours(phi) = sum(circshift(phi, ntuple(a -> a == axis ? step : 0, ndims(phi))) for axis in 1:ndims(phi), step in (1, -1))

"""|z| of the mean of `values` against `exact`, with errors from 50 bins, is below 4."""
function expect(name, values, exact)
    means = vec(mean(reshape(values, :, 50); dims = 1))
    error_of_mean = std(means) / sqrt(50)
    z = (mean(means) - exact) / error_of_mean
    check(abs(z) < 4 && error_of_mean < 0.06 * abs(exact), "$name: $(mean(means)) +- $error_of_mean, exact $exact, z $z")
end

"""<|phi_p|^2> of the free field on 4 x 4."""
covariance(kappa) = [1 / (2 - 4 * kappa * (cos(p * pi / 2) + cos(q * pi / 2))) for p in 0:3, q in 0:3]
