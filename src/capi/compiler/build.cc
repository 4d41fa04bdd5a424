// SPDX-License-Identifier: Apache-2.0
#include "capi/compiler/build.h"

#include "capi/runtime/handles.h"
#include "compiler/gpu_report.h"

using planish::capi::deref;
using planish::capi::guard;
using planish::capi::text;

namespace planish::capi {

BuildRequest build_request(const planish_options* options) {
  BuildRequest request;
  if (options == nullptr) {
    request.options = options_from_environment();
    return request;
  }
  request.options = options->options;
  request.profiles = options->profiles;
  if (options->progress != nullptr)
    request.progress = [callback = options->progress, user = options->progress_user](
                           const std::string& stage, double fraction, double seconds) {
      return callback(stage.c_str(), fraction, seconds, user) == 0;
    };
  return request;
}

planish_engine* make_engine(plan::Plan plan, const Options& options) {
  return new planish_engine(Engine::create(std::move(plan), EngineOptions::from(options)));
}

}  // namespace planish::capi

using planish::capi::build_request;
using planish::capi::make_engine;

planish_status planish_build_file(const char* path, const planish_options* options,
                                  planish_engine** engine) {
  return guard([&] {
    const planish::BuildRequest request = build_request(options);
    deref(engine, "engine") =
        make_engine(planish::build_file(text(path, "path"), request), request.options);
  });
}

planish_status planish_build_bytes(const void* data, size_t bytes, const planish_options* options,
                                   planish_engine** engine) {
  return guard([&] {
    if (data == nullptr && bytes != 0)
      throw planish::Error(planish::ErrorCode::kInvalidArgument, "data is null");
    const planish::BuildRequest request = build_request(options);
    deref(engine, "engine") =
        make_engine(planish::build_bytes({static_cast<const std::byte*>(data), bytes}, request),
                    request.options);
  });
}

planish_status planish_describe_gpu(const planish_options* options, const char** json) {
  return guard([&] {
    thread_local std::string text;
    text = planish::describe_gpu(planish::capi::options_of(options));
    deref(json, "json") = text.c_str();
  });
}
