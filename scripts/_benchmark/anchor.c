/* The loop that emberd's own is held against: clock, call, clock, store. Nothing else. */

#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef int (*invoke_function)(void *interpreter);
typedef int (*run_function)(void *model, size_t signature, size_t input_count, void **inputs,
                            size_t output_count, void **outputs);

static int64_t now_nanoseconds(void) {
  struct timespec moment;
  clock_gettime(CLOCK_MONOTONIC, &moment);
  return (int64_t)moment.tv_sec * 1000000000 + moment.tv_nsec;
}

/* Times `tflite::impl::Interpreter::Invoke`; returns the first status that is not 0. */
int time_invoke(invoke_function invoke, void *interpreter, size_t count, int64_t *took_nanoseconds) {
  for (size_t index = 0; index < count; index++) {
    const int64_t begin = now_nanoseconds();
    const int status = invoke(interpreter);
    took_nanoseconds[index] = now_nanoseconds() - begin;
    if (status != 0) {
      return status;
    }
  }
  return 0;
}

/* Times `LiteRtRunCompiledModel`; returns the first status that is not 0. */
int time_run(run_function run, void *model, size_t input_count, void **inputs, size_t output_count,
             void **outputs, size_t count, int64_t *took_nanoseconds) {
  for (size_t index = 0; index < count; index++) {
    const int64_t begin = now_nanoseconds();
    const int status = run(model, 0, input_count, inputs, output_count, outputs);
    took_nanoseconds[index] = now_nanoseconds() - begin;
    if (status != 0) {
      return status;
    }
  }
  return 0;
}
