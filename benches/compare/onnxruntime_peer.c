/* ONNX Runtime alone, from C: the peer of stoq in exported_network.py (part overhead).
 *
 *   cc -O2 -I INCLUDE onnxruntime_peer.c -ldl -o peer     INCLUDE holds onnxruntime_c_api.h of 1.20 or later
 *   ./peer LIBRARY MODEL.onnx BATCH EXTENT
 *
 * One thread, one batch of float32 fields (BATCH, 1, EXTENT, EXTENT) and times (BATCH), inputs and output bound to memory that
 * is there before the first run. For every line on its standard input it runs the network once and prints the CPU seconds.
 */
#include <dlfcn.h>
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const OrtApi *api;

static void check(OrtStatus *status)
{
    if (status != NULL) {
        fprintf(stderr, "%s\n", api->GetErrorMessage(status));
        exit(1);
    }
}

static OrtValue *tensor(OrtMemoryInfo *memory, float *values, const int64_t *shape, size_t rank)
{
    OrtValue *value = NULL;
    size_t count = 1;
    for (size_t axis = 0; axis < rank; axis++) {
        count *= (size_t)shape[axis];
    }
    check(api->CreateTensorWithDataAsOrtValue(memory, values, count * sizeof(float), shape, rank,
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &value));
    return value;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int count, char **arguments)
{
    if (count != 5) {
        fprintf(stderr, "usage: %s LIBRARY MODEL.onnx BATCH EXTENT\n", arguments[0]);
        return 2;
    }
    void *library = dlopen(arguments[1], RTLD_NOW);
    const OrtApiBase *(*base)(void) = NULL;
    if (library != NULL) {
        *(void **)&base = dlsym(library, "OrtGetApiBase");
    }
    api = base != NULL ? base()->GetApi(20) : NULL;
    if (api == NULL) {
        fprintf(stderr, "%s is no ONNX Runtime of 1.20 or later: %s\n", arguments[1], dlerror());
        return 1;
    }
    const int64_t batch = atoll(arguments[3]), extent = atoll(arguments[4]);
    const size_t values = (size_t)(batch * extent * extent);
    float *field = malloc(values * sizeof *field), *answer = calloc(values, sizeof *answer);
    float *time = malloc((size_t)batch * sizeof *time);
    if (field == NULL || answer == NULL || time == NULL) {
        return 1;
    }
    for (size_t index = 0; index < values; index++) {
        field[index] = 2.0f * (float)rand() / (float)RAND_MAX - 1.0f;
    }
    for (int64_t index = 0; index < batch; index++) {
        time[index] = 0.3f;
    }
    OrtEnv *environment = NULL;
    OrtSessionOptions *options = NULL;
    OrtSession *session = NULL;
    OrtMemoryInfo *memory = NULL;
    OrtIoBinding *binding = NULL;
    check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "peer", &environment));
    check(api->CreateSessionOptions(&options));
    check(api->SetIntraOpNumThreads(options, 1));
    check(api->SetInterOpNumThreads(options, 1));
    check(api->CreateSession(environment, arguments[2], options, &session));
    check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    check(api->CreateIoBinding(session, &binding));
    const int64_t shape[] = {batch, 1, extent, extent};
    check(api->BindInput(binding, "field", tensor(memory, field, shape, 4)));
    check(api->BindInput(binding, "time", tensor(memory, time, shape, 1)));
    check(api->BindOutput(binding, "output", tensor(memory, answer, shape, 4)));
    char line[16];
    while (fgets(line, sizeof line, stdin) != NULL) {
        const double start = seconds();
        check(api->RunWithBinding(session, NULL, binding));
        printf("%.9f\n", seconds() - start);
        fflush(stdout);
    }
    return 0;
}
