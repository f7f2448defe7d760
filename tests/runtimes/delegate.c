/* External delegates for the tests, one behaviour each: cc -shared -fPIC -DBEHAVIOUR=n
 *   0  takes nothing
 *   1  cannot be made, and says why
 *   2  is made, and fails when it is shown the model
 *   3  aborts when it is shown the model
 * The structure is TfLiteDelegate as far as its flags, with room behind for what later versions add:
 * tensorflow/lite/core/c/common.h. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct delegate {
  void *data;
  int (*prepare)(void *context, struct delegate *self);
  void *functions[3];
  int64_t flags;
  void *later[16];
};

static int prepare(void *context, struct delegate *self) {
  (void)context;
  (void)self;
  if (BEHAVIOUR == 3) {
    fputs("the accelerator is on fire\n", stderr);
    abort();
  }
  return BEHAVIOUR == 2;
}

static struct delegate the_delegate = {.prepare = prepare};

void *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  (void)keys;
  (void)values;
  (void)count;
  if (BEHAVIOUR == 1) {
    report("no such accelerator on this board");
    return NULL;
  }
  return &the_delegate;
}

void tflite_plugin_destroy_delegate(void *delegate) { (void)delegate; }
