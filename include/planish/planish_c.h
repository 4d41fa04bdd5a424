/* SPDX-License-Identifier: Apache-2.0 */
/* The C interface of Planish.
 *
 * Every function that can fail returns a status: 0, or an error code of planish/error.h (the
 * enumerators of planish::ErrorCode in their order). After a failure planish_error_message(),
 * planish_error_node() and planish_error_hint() describe it, for the calling thread, until its next
 * failing call. Handles are made by *_create, *_build and *_load functions and given back by the
 * matching *_release; releasing null does nothing. Text is UTF-8, ends with a zero byte, and
 * belongs to the handle that it was asked of. Results are written through the last arguments and
 * are left alone on failure.
 *
 * An engine may be used by many threads at once; a context, a value that is being written, a
 * network and options by one at a time.
 *
 * Functions of the first part stand in libplanish_runtime; those of the second, which make engines
 * from models, in libplanish.
 */
#ifndef PLANISH_PLANISH_C_H_
#define PLANISH_PLANISH_C_H_

#include <stddef.h>
#include <stdint.h>

#include "planish/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int planish_status;
typedef struct planish_options planish_options;
typedef struct planish_engine planish_engine;
typedef struct planish_context planish_context;
typedef struct planish_value planish_value;
typedef struct planish_network planish_network;

/* ---- version, errors, log ------------------------------------------------------------------- */

PLANISH_API const char* planish_version(void);
/* "invalid_shape" for a status; "ok" for 0; "internal" for a number that is none. */
PLANISH_API const char* planish_status_name(planish_status status);
PLANISH_API const char* planish_error_message(void);
PLANISH_API const char* planish_error_node(void); /* "" if no node is at fault */
PLANISH_API const char* planish_error_hint(void); /* "" if there is none */

/* 0 error, 1 warning, 2 info, 3 debug. The library prints nothing by itself: without a callback,
 * messages are dropped unless PLANISH_LOG is set (error, warning, info or debug), which sends them
 * to the standard error. The callback may be called from any thread; null removes it. */
typedef void (*planish_log_callback)(int level, const char* message, void* user);
PLANISH_API void planish_set_log(int level, planish_log_callback callback, void* user);

/* ---- options: one function for all rows of planish/options.def ---------------------------------
 */

PLANISH_API planish_status planish_options_create(planish_options** options);
PLANISH_API void planish_options_release(planish_options* options);
PLANISH_API planish_status planish_options_set(planish_options* options, const char* name,
                                               const char* text);
/* The shapes that profile `profile` allows for input `input`: least, most usual and greatest,
 * written "1x3x224x224", "" for a scalar. Inputs without a row keep their declared shape. Profiles
 * are numbered from 0 without gaps. */
PLANISH_API planish_status planish_options_set_shape(planish_options* options, int profile,
                                                     const char* input, const char* min,
                                                     const char* opt, const char* max);
/* Called during a build with what is done, a fraction from 0 to 1 and the time in seconds since the
 * start; a non-zero result cancels the build (status "cancelled"). */
typedef int (*planish_progress_callback)(const char* stage, double fraction, double seconds,
                                         void* user);
PLANISH_API void planish_options_set_progress(planish_options* options,
                                              planish_progress_callback callback, void* user);
/* The option rows: count, and name, kind ("integer", "real", "text", "flag"), default, choices
 * ("a|b" or ""), scope and help of row i. */
PLANISH_API int planish_option_count(void);
PLANISH_API const char* planish_option_field(int i,
                                             int field); /* 0 name .. 5 help, in that order */

/* ---- values: tensors, sequences, maps, nothing
 * --------------------------------------------------- */

/* Numbers are those of onnx.TensorProto.DataType. Types of less than 8 bits are packed, low bits
 * first. */
typedef void (*planish_release_callback)(void* user);

/* A tensor over the caller's memory: `bytes` must be what dtype and dims need. The memory must stay
 * until `release` is called (null: until the value is released). */
PLANISH_API planish_status planish_tensor_create(int dtype, int rank, const int64_t* dims,
                                                 void* data, size_t bytes,
                                                 planish_release_callback release, void* user,
                                                 planish_value** value);
/* A tensor with memory of its own, uninitialised. */
PLANISH_API planish_status planish_tensor_allocate(int dtype, int rank, const int64_t* dims,
                                                   planish_value** value);
/* A string tensor; lengths may be null for zero-terminated strings. Strings are copied. */
PLANISH_API planish_status planish_strings_create(int rank, const int64_t* dims,
                                                  const char* const* strings, const size_t* lengths,
                                                  planish_value** value);
/* A sequence of values, which stay the caller's. */
PLANISH_API planish_status planish_sequence_create(size_t count, planish_value* const* items,
                                                   planish_value** value);
/* An absent optional. */
PLANISH_API planish_status planish_none_create(planish_value** value);
PLANISH_API void planish_value_release(planish_value* value);

enum { PLANISH_NONE = 0, PLANISH_TENSOR = 1, PLANISH_SEQUENCE = 2, PLANISH_MAP = 3 };
PLANISH_API int planish_value_kind(const planish_value* value);
PLANISH_API int planish_tensor_dtype(const planish_value* value);
PLANISH_API int planish_tensor_rank(const planish_value* value);
PLANISH_API const int64_t* planish_tensor_dims(const planish_value* value);
PLANISH_API void* planish_tensor_data(const planish_value* value); /* null for strings */
PLANISH_API size_t planish_tensor_bytes(const planish_value* value);
PLANISH_API const char* planish_tensor_string(const planish_value* value, int64_t index,
                                              size_t* length);
PLANISH_API size_t planish_sequence_count(const planish_value* value);
/* New handles: release them. */
PLANISH_API planish_status planish_sequence_item(const planish_value* value, size_t index,
                                                 planish_value** item);
PLANISH_API planish_status planish_map_keys(const planish_value* value, planish_value** keys);
PLANISH_API planish_status planish_map_values(const planish_value* value, planish_value** values);

/* ---- engines -----------------------------------------------------------------------------------
 */

/* `options` may be null everywhere. flags: 1 reads the whole file instead of mapping it. */
PLANISH_API planish_status planish_engine_load(const char* path, int flags,
                                               const planish_options* options,
                                               planish_engine** engine);
PLANISH_API planish_status planish_engine_load_bytes(const void* data, size_t bytes,
                                                     const planish_options* options,
                                                     planish_engine** engine);
PLANISH_API planish_status planish_engine_save(const planish_engine* engine, const char* path);
/* The plan as bytes: a tensor of uint8. */
PLANISH_API planish_status planish_engine_serialize(const planish_engine* engine,
                                                    planish_value** bytes);
PLANISH_API void planish_engine_release(planish_engine* engine);

PLANISH_API int planish_engine_input_count(const planish_engine* engine);
PLANISH_API int planish_engine_output_count(const planish_engine* engine);
/* Of input i, or of output i - input_count. Rank is -1 if unknown. A dimension is written as in
 * "batch" or "2*h+1"; its number is -1 unless it is constant. kind is PLANISH_TENSOR and so on;
 * type is the whole type as text: "float32[batch, 3]". */
PLANISH_API const char* planish_engine_io_name(const planish_engine* engine, int i);
PLANISH_API int planish_engine_io_kind(const planish_engine* engine, int i);
PLANISH_API int planish_engine_io_dtype(const planish_engine* engine, int i);
PLANISH_API int planish_engine_io_rank(const planish_engine* engine, int i);
PLANISH_API const char* planish_engine_io_dim(const planish_engine* engine, int i, int axis);
PLANISH_API int64_t planish_engine_io_dim_value(const planish_engine* engine, int i, int axis);
PLANISH_API const char* planish_engine_io_type(const planish_engine* engine, int i);
PLANISH_API int planish_engine_profile_count(const planish_engine* engine);
/* which: 0 min, 1 opt, 2 max; written "1x3x224x224". */
PLANISH_API const char* planish_engine_profile_shape(const planish_engine* engine, int profile,
                                                     int input, int which);
PLANISH_API int planish_engine_metadata_count(const planish_engine* engine);
PLANISH_API const char* planish_engine_metadata_key(const planish_engine* engine, int i);
PLANISH_API const char* planish_engine_metadata_value(const planish_engine* engine, int i);
/* Everything that is known of the engine, as JSON: steps, tactics, memory, what the optimiser did.
 */
PLANISH_API planish_status planish_engine_describe(const planish_engine* engine, const char** json);
/* The part of planish_engine_describe that is there without making the kernels ready, as JSON:
 * {"made_by", "target", "rebuild", "inputs", "outputs", "metadata", "symbols", "profiles",
 * "report", "weights" (bytes)}. The text belongs to the calling thread, until its next call. */
PLANISH_API planish_status planish_engine_summary(const planish_engine* engine, const char** json);
/* In what two plans differ, one difference a line, "" if in nothing that a plan file keeps. The
 * text belongs to the calling thread, until its next call. */
PLANISH_API planish_status planish_engine_diff(const planish_engine* a, const planish_engine* b,
                                               const char** text);
/* Bytes of the weights, and of the arena of a profile at its greatest shapes with the lower bound.
 */
PLANISH_API planish_status planish_engine_memory(const planish_engine* engine, int profile,
                                                 int64_t* weights, int64_t* arena,
                                                 int64_t* lower_bound);

/* ---- contexts
 * ------------------------------------------------------------------------------------ */

PLANISH_API planish_status planish_context_create(planish_engine* engine, int profile,
                                                  planish_context** context);
PLANISH_API void planish_context_release(planish_context* context);
/* Input i of the engine. The context keeps the value's memory until the next set of that input. */
PLANISH_API planish_status planish_context_set_input(planish_context* context, int i,
                                                     planish_value* value);
/* Memory for output i: a tensor of the right dtype and at least the bytes of the result; null: the
 * context allocates. It may be the memory of an input. */
PLANISH_API planish_status planish_context_set_output(planish_context* context, int i,
                                                      planish_value* value);
/* Asked for the memory of output i when its size is known; must return at least `bytes`, aligned to
 * 64, valid until the next run; null means out of memory. */
typedef void* (*planish_allocate_callback)(int output, size_t bytes, void* user);
PLANISH_API void planish_context_set_allocator(planish_context* context,
                                               planish_allocate_callback callback, void* user);
/* Scratch memory of the caller's, at least what planish_engine_memory says; null: the context's
 * own. */
PLANISH_API planish_status planish_context_set_scratch(planish_context* context, void* data,
                                                       size_t bytes);
/* The GPU's stream that runs join; with `own` the context's, and `stream` is ignored. With `wait`
 * off, runs return when all is enqueued: bind the outputs, and keep inputs and outputs until the
 * stream is done. Inputs and outputs may be in the GPU's memory. An index that is out of range, as
 * of Gather, is told by runs that wait, and by no others: those take the nearest element. Engines
 * for the CPU ignore it. */
PLANISH_API planish_status planish_context_set_stream(planish_context* context, void* stream,
                                                      int own, int wait);
PLANISH_API planish_status planish_context_run(planish_context* context);
/* Output i of the last run, a new handle. Its memory is the result's own. */
PLANISH_API planish_status planish_context_output(planish_context* context, int i,
                                                  planish_value** value);
/* Called after each step of a run with its index, name, op, kernel and seconds; null removes it. */
typedef void (*planish_step_callback)(int step, const char* node, const char* op,
                                      const char* kernel, double start, double seconds, void* user);
PLANISH_API void planish_context_set_step_callback(planish_context* context,
                                                   planish_step_callback callback, void* user);
/* Inside a step callback: the program of the step (0: the network; others: bodies of control flow),
 * and a copy of its output k in the host's memory, a new handle; kind PLANISH_NONE if it is not
 * wanted by anybody. Elsewhere the program is -1 and there is no output (invalid_argument). */
PLANISH_API int planish_context_step_program(const planish_context* context);
PLANISH_API planish_status planish_context_step_output(planish_context* context, int k,
                                                       planish_value** value);
/* Where the intermediate values of the last run lie in its memory, as JSON: {"bytes",
 * "lower_bound", "device_bytes", "device_lower_bound" (of the GPU's memory), "placements":
 * [{"value" (absent: scratch memory), "first_step", "last_step", "offset", "bytes", "on_device":
 * true (absent: the host's memory)}]}, with values and steps of program 0 as
 * planish_engine_describe numbers them.
 * The text belongs to the context, until the next call. */
PLANISH_API planish_status planish_context_layout(planish_context* context, const char** json);

/* ==== libplanish: engines from models
 * ============================================================== */

/* What this machine has for engines on GPUs: driver, devices, compiler, whether they are "usable"
 * and the "reason" if not; and the "processor"'s instruction set that engines use: as JSON. The
 * text stays until the thread's next call. */
PLANISH_API planish_status planish_describe_gpu(const planish_options* options, const char** json);

PLANISH_API planish_status planish_build_file(const char* path, const planish_options* options,
                                              planish_engine** engine);
PLANISH_API planish_status planish_build_bytes(const void* data, size_t bytes,
                                               const planish_options* options,
                                               planish_engine** engine);

/* The canonical graph that the plan carries (option embed_graph) as JSON, in the form of a program
 * of planish_engine_describe; "" if it carries none. The text belongs to the calling thread, until
 * its next call. */
PLANISH_API planish_status planish_engine_graph(const planish_engine* engine, const char** json);

/* ---- networks made by hand
 * ------------------------------------------------------------------------ Values are numbers >= 0
 * of the network and its subgraphs; -1 is an absent input. Nodes are given by ONNX op name at its
 * newest meaning ("Conv", "ai.onnx.ml.TreeEnsemble"). Each call checks what it can: an unknown op,
 * a wrong attribute, a shape that cannot be, fail at the call that is wrong. */

PLANISH_API planish_status planish_network_create(const char* name, planish_network** network);
PLANISH_API void planish_network_release(planish_network* network);
/* dims: as in "batch", "3", "?" for unknown; rank -1: unknown. */
PLANISH_API planish_status planish_network_add_input(planish_network* network, const char* name,
                                                     int dtype, int rank, const char* const* dims,
                                                     int* value);
/* The value's memory is shared, not copied. */
PLANISH_API planish_status planish_network_add_constant(planish_network* network, const char* name,
                                                        const planish_value* tensor, int* value);
/* Starts a node; attributes and subgraphs follow; end_node checks and infers it. */
PLANISH_API planish_status planish_network_begin_node(planish_network* network, const char* op,
                                                      const char* name, int inputs,
                                                      const int* values, int outputs);
PLANISH_API planish_status planish_network_set_int(planish_network* network, const char* name,
                                                   int64_t v);
PLANISH_API planish_status planish_network_set_float(planish_network* network, const char* name,
                                                     double v);
PLANISH_API planish_status planish_network_set_string(planish_network* network, const char* name,
                                                      const char* v);
PLANISH_API planish_status planish_network_set_ints(planish_network* network, const char* name,
                                                    size_t n, const int64_t* v);
PLANISH_API planish_status planish_network_set_floats(planish_network* network, const char* name,
                                                      size_t n, const double* v);
PLANISH_API planish_status planish_network_set_strings(planish_network* network, const char* name,
                                                       size_t n, const char* const* v);
PLANISH_API planish_status planish_network_set_tensor(planish_network* network, const char* name,
                                                      const planish_value* v);
/* Between begin_subgraph and end_subgraph, inputs, nodes and outputs belong to the subgraph; nodes
 * of it may use values of the graphs around it. */
PLANISH_API planish_status planish_network_begin_subgraph(planish_network* network,
                                                          const char* name);
PLANISH_API planish_status planish_network_end_subgraph(planish_network* network);
PLANISH_API planish_status planish_network_end_node(planish_network* network, int* values);
/* Drops the node that is open, with its open subgraph, if there is one. */
PLANISH_API void planish_network_abandon_node(planish_network* network);
PLANISH_API planish_status planish_network_mark_output(planish_network* network, int value,
                                                       const char* name);
/* The type of a value as text, inferred so far: "float32[batch, 64]". */
PLANISH_API planish_status planish_network_type(planish_network* network, int value,
                                                const char** type);
PLANISH_API planish_status planish_network_set_metadata(planish_network* network, const char* key,
                                                        const char* value);
PLANISH_API planish_status planish_network_build(planish_network* network,
                                                 const planish_options* options,
                                                 planish_engine** engine);

#ifdef __cplusplus
}
#endif

#endif /* PLANISH_PLANISH_C_H_ */
