// SPDX-License-Identifier: Apache-2.0
// What the handles of planish_c.h are.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "plan/plan.h"
#include "planish/error.h"
#include "planish/planish_c.h"
#include "runtime/context.h"
#include "runtime/engine.h"
#include "tensor/tensor.h"

struct planish_options {
  planish::Options options = planish::options_from_environment();
  std::vector<std::map<std::string, planish::plan::DimsRange>> profiles;
  planish_progress_callback progress = nullptr;
  void* progress_user = nullptr;
};

struct planish_value {
  planish::Datum datum;
};

struct planish_engine {
  std::shared_ptr<planish::Engine> engine;
  // Text that functions hand out, made once when the handle is.
  std::vector<std::string> io_types;
  std::vector<std::vector<std::string>> io_dims;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::string> profile_shapes;  // profile, input, which
  std::string description;

  explicit planish_engine(std::shared_ptr<planish::Engine> made);
};

namespace planish::capi {

// Keeps what went wrong for the calling thread.
planish_status fail(const Error& error) noexcept;

// Runs f and turns exceptions into a status.
template <class F>
planish_status guard(F&& f) noexcept {
  try {
    f();
    return 0;
  } catch (const Error& e) {
    return fail(e);
  } catch (const std::bad_alloc&) {
    return fail(Error(ErrorCode::kOutOfMemory, "out of memory"));
  } catch (const std::exception& e) {
    return fail(Error(ErrorCode::kInternal, e.what()));
  }
}

template <class T>
T& deref(T* handle, const char* what) {
  if (handle == nullptr) throw Error(ErrorCode::kInvalidArgument, std::string(what) + " is null");
  return *handle;
}

const char* text(const char* given, const char* what);  // throws if null or not valid UTF-8
const Options& options_of(const planish_options* options);
// Everything known of the engine, as JSON.
std::string describe(const Engine& engine);
// The part of it that needs no kernels.
std::string summarize(const plan::Plan& plan);
std::string describe_program(const plan::Program& program);

}  // namespace planish::capi
