// SPDX-License-Identifier: Apache-2.0
// The one exception type of Planish.
//
// Every failure of a public call is a planish::Error. `code()` is one word of the table below,
// `what()` says what failed, what was expected and what was found, `node()` names the node of the
// model that is at fault (empty when none is) and `hint()` says what to do (empty when there is
// nothing useful to say).
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace planish {

// The documented error codes. The C ABI returns their index, Python their name.
enum class ErrorCode : int {
  kOk = 0,           // "ok"
  kInvalidArgument,  // "invalid_argument"   a call's argument is wrong (name, type, range)
  kInvalidModel,     // "invalid_model"      the ONNX file or network breaks the specification
  kUnsupported,      // "unsupported"        valid, but Planish cannot compute it
  kInvalidShape,  // "invalid_shape"      an input's shape is outside what the engine was built for
  kInvalidType,   // "invalid_type"       an input's data type is not the declared one
  kInvalidValue,  // "invalid_value"      a tensor's contents are out of range at run time
  kInvalidPlan,   // "invalid_plan"       a plan is damaged, hostile or not a plan
  kVersionMismatch,  // "version_mismatch"   a plan was made by or for something else
  kBudgetExceeded,   // "budget_exceeded"    a budget of bytes, nodes, time or iterations is spent
  kOutOfMemory,      // "out_of_memory"     memory that the build or run needs is not to be had
  kFileError,        // "file_error"         opening, reading or writing a file failed
  kCancelled,        // "cancelled"          the caller stopped the build
  kDeviceError,      // "device_error"       no such device, or it failed
  kInternal,         // "internal"           a bug in Planish; please report it
};

inline const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk: return "ok";
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kInvalidModel: return "invalid_model";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kInvalidShape: return "invalid_shape";
    case ErrorCode::kInvalidType: return "invalid_type";
    case ErrorCode::kInvalidValue: return "invalid_value";
    case ErrorCode::kInvalidPlan: return "invalid_plan";
    case ErrorCode::kVersionMismatch: return "version_mismatch";
    case ErrorCode::kBudgetExceeded: return "budget_exceeded";
    case ErrorCode::kOutOfMemory: return "out_of_memory";
    case ErrorCode::kFileError: return "file_error";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kDeviceError: return "device_error";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string node = {}, std::string hint = {})
      : std::runtime_error(message), code_(code), node_(std::move(node)), hint_(std::move(hint)) {}

  ErrorCode code() const { return code_; }
  const char* code_name() const { return error_code_name(code_); }
  const std::string& node() const { return node_; }
  const std::string& hint() const { return hint_; }

 private:
  ErrorCode code_;
  std::string node_;
  std::string hint_;
};

}  // namespace planish
