// SPDX-License-Identifier: Apache-2.0
// The C++ interface of Planish: thin, header-only, over the C interface of planish_c.h.
//
//   #include <planish/planish.h>
//
//   planish::Engine engine = planish::build("model.onnx", {{"threads", "2"}});
//   engine.save("model.plan");
//   planish::Context context = engine.create_context();
//   std::vector<float> pixels(3 * 224 * 224);
//   auto out = context.run({{"x", planish::Value::tensor<float>({1, 3, 224, 224}, pixels)}});
//   std::span<const float> scores = out.at("y").as<float>();
//
// Every failure is a planish::Error (error.h) with code, node and hint. An Engine may be used by
// many threads at once, a Context by one at a time. Programs that only load plans link
// planish::runtime; those that call build or Network link planish::planish.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "planish/error.h"
#include "planish/planish_c.h"
#include "planish/version.h"

namespace planish {
// The library has classes of the same names inside: these have linker names of their own.
inline namespace api {

namespace detail {

inline void check(planish_status status) {
  if (status == 0) return;
  throw Error(static_cast<ErrorCode>(status), planish_error_message(), planish_error_node(),
              planish_error_hint());
}

template <class T>
struct ElementType;  // the dtype number of a C++ type
template <>
struct ElementType<float> {
  static constexpr int kNumber = 1;
};
template <>
struct ElementType<uint8_t> {
  static constexpr int kNumber = 2;
};
template <>
struct ElementType<int8_t> {
  static constexpr int kNumber = 3;
};
template <>
struct ElementType<uint16_t> {
  static constexpr int kNumber = 4;
};
template <>
struct ElementType<int16_t> {
  static constexpr int kNumber = 5;
};
template <>
struct ElementType<int32_t> {
  static constexpr int kNumber = 6;
};
template <>
struct ElementType<int64_t> {
  static constexpr int kNumber = 7;
};
template <>
struct ElementType<bool> {
  static constexpr int kNumber = 9;
};
template <>
struct ElementType<double> {
  static constexpr int kNumber = 11;
};
template <>
struct ElementType<uint32_t> {
  static constexpr int kNumber = 12;
};
template <>
struct ElementType<uint64_t> {
  static constexpr int kNumber = 13;
};

struct Release {
  void operator()(planish_value* p) const { planish_value_release(p); }
  void operator()(planish_engine* p) const { planish_engine_release(p); }
  void operator()(planish_context* p) const { planish_context_release(p); }
  void operator()(planish_options* p) const { planish_options_release(p); }
};

}  // namespace detail

// A tensor, a sequence, a map or nothing. Copies share the data.
class Value {
 public:
  Value() = default;  // an absent optional
  explicit Value(planish_value* handle) : handle_(handle, detail::Release{}) {}

  // A tensor over the caller's memory, which must outlive the value. Throws kInvalidArgument if its
  // size is not what the dims need.
  template <class T>
  static Value tensor(std::vector<int64_t> dims, std::span<T> data) {
    using Element = std::remove_const_t<T>;
    return tensor(detail::ElementType<Element>::kNumber, std::move(dims),
                  const_cast<Element*>(data.data()), data.size_bytes());
  }
  template <class T>
  static Value tensor(std::vector<int64_t> dims, std::vector<T>& data) {
    return tensor<T>(std::move(dims), std::span<T>(data));
  }
  // `dtype` as onnx.TensorProto.DataType.
  static Value tensor(int dtype, std::vector<int64_t> dims, void* data, size_t bytes) {
    planish_value* handle = nullptr;
    detail::check(planish_tensor_create(dtype, static_cast<int>(dims.size()), dims.data(), data,
                                        bytes, nullptr, nullptr, &handle));
    return Value(handle);
  }
  static Value allocate(int dtype, std::vector<int64_t> dims) {
    planish_value* handle = nullptr;
    detail::check(
        planish_tensor_allocate(dtype, static_cast<int>(dims.size()), dims.data(), &handle));
    return Value(handle);
  }
  static Value strings(std::vector<int64_t> dims, const std::vector<std::string>& values) {
    std::vector<const char*> text;
    std::vector<size_t> lengths;
    for (const std::string& s : values) {
      text.push_back(s.data());
      lengths.push_back(s.size());
    }
    planish_value* handle = nullptr;
    detail::check(planish_strings_create(static_cast<int>(dims.size()), dims.data(), text.data(),
                                         lengths.data(), &handle));
    return Value(handle);
  }
  static Value sequence(const std::vector<Value>& items) {
    std::vector<planish_value*> handles;
    for (const Value& item : items) handles.push_back(item.handle());
    planish_value* handle = nullptr;
    detail::check(planish_sequence_create(handles.size(), handles.data(), &handle));
    return Value(handle);
  }

  bool is_tensor() const { return handle_ && planish_value_kind(handle()) == PLANISH_TENSOR; }
  bool is_sequence() const { return handle_ && planish_value_kind(handle()) == PLANISH_SEQUENCE; }
  bool is_none() const { return !handle_ || planish_value_kind(handle()) == PLANISH_NONE; }
  int dtype() const { return planish_tensor_dtype(handle()); }
  std::vector<int64_t> dims() const {
    const int64_t* dims = planish_tensor_dims(handle());
    return {dims, dims + planish_tensor_rank(handle())};
  }
  const void* data() const { return planish_tensor_data(handle()); }
  void* data() { return planish_tensor_data(handle()); }
  size_t bytes() const { return planish_tensor_bytes(handle()); }
  // Throws kInvalidType if the elements are not T.
  template <class T>
  std::span<const T> as() const {
    if (!is_tensor() || dtype() != detail::ElementType<T>::kNumber)
      throw Error(ErrorCode::kInvalidType, "the value is no tensor of the type asked for");
    return {static_cast<const T*>(data()), bytes() / sizeof(T)};
  }
  std::string string(int64_t index) const {
    size_t length = 0;
    const char* text = planish_tensor_string(handle(), index, &length);
    return {text, length};
  }
  size_t count() const { return planish_sequence_count(handle()); }
  Value item(size_t index) const {
    planish_value* handle_out = nullptr;
    detail::check(planish_sequence_item(handle(), index, &handle_out));
    return Value(handle_out);
  }
  planish_value* handle() const { return handle_.get(); }

 private:
  std::shared_ptr<planish_value> handle_;
};

// The options of a build or load: rows of planish/options.def by name, shapes, progress.
class Options {
 public:
  Options() {
    planish_options* handle = nullptr;
    detail::check(planish_options_create(&handle));
    handle_.reset(handle);
  }
  Options(std::initializer_list<std::pair<std::string, std::string>> rows) : Options() {
    for (const auto& [name, text] : rows) set(name, text);
  }
  Options& set(const std::string& name, const std::string& text) {
    detail::check(planish_options_set(handle(), name.c_str(), text.c_str()));
    return *this;
  }
  // Least, most usual and greatest shape of an input, "1x3x224x224"; one profile may follow
  // another.
  Options& shape(const std::string& input, const std::string& min, const std::string& opt,
                 const std::string& max, int profile = 0) {
    detail::check(planish_options_set_shape(handle(), profile, input.c_str(), min.c_str(),
                                            opt.c_str(), max.c_str()));
    return *this;
  }
  Options& shape(const std::string& input, const std::string& fixed) {
    return shape(input, fixed, fixed, fixed);
  }
  // Returns false to cancel.
  using Progress = std::function<bool(const std::string& stage, double fraction, double seconds)>;
  Options& progress(Progress callback) {
    progress_ = std::make_unique<Progress>(std::move(callback));
    planish_options_set_progress(
        handle(),
        [](const char* stage, double fraction, double seconds, void* user) {
          return (*static_cast<Progress*>(user))(stage, fraction, seconds) ? 0 : 1;
        },
        progress_.get());
    return *this;
  }
  planish_options* handle() const { return handle_.get(); }

 private:
  std::unique_ptr<planish_options, detail::Release> handle_;
  std::unique_ptr<Progress> progress_;
};

// What an engine takes or gives.
struct TensorInfo {
  std::string name;
  int dtype = 0;                                  // as onnx.TensorProto.DataType
  std::optional<std::vector<std::string>> shape;  // "3", "batch"; nullopt: rank unknown
  std::string type;                               // "float32[batch, 3]"
};

class Engine;

// One run at a time; make one a thread.
class Context {
 public:
  explicit Context(planish_context* handle, std::vector<TensorInfo> inputs,
                   std::vector<TensorInfo> outputs)
      : handle_(handle), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  // Exactly the inputs, by name; outputs by name.
  std::map<std::string, Value> run(const std::map<std::string, Value>& inputs) {
    for (const auto& [name, value] : inputs) set_input(name, value);
    if (inputs.size() != inputs_.size()) fail_missing(inputs);
    run();
    std::map<std::string, Value> out;
    for (const TensorInfo& info : outputs_) out.emplace(info.name, output(info.name));
    return out;
  }

  // The same in steps, with memory of the caller's.
  void set_input(const std::string& name, const Value& value) {
    detail::check(
        planish_context_set_input(handle_.get(), find(inputs_, name, "input"), value.handle()));
  }
  void set_output(const std::string& name, const Value& value) {
    detail::check(
        planish_context_set_output(handle_.get(), find(outputs_, name, "output"), value.handle()));
  }
  void set_scratch(void* data, size_t bytes) {
    detail::check(planish_context_set_scratch(handle_.get(), data, bytes));
  }
  // See planish_context_set_stream. Null means the context's own stream only with `own`.
  void set_stream(void* stream, bool own, bool wait) {
    detail::check(planish_context_set_stream(handle_.get(), stream, own ? 1 : 0, wait ? 1 : 0));
  }
  void run() { detail::check(planish_context_run(handle_.get())); }
  Value output(const std::string& name) {
    planish_value* value = nullptr;
    detail::check(planish_context_output(handle_.get(), find(outputs_, name, "output"), &value));
    return Value(value);
  }
  // As planish_context_layout says.
  std::string layout() const {
    const char* json = nullptr;
    detail::check(planish_context_layout(handle_.get(), &json));
    return json;
  }
  planish_context* handle() const { return handle_.get(); }

 private:
  static int find(const std::vector<TensorInfo>& list, const std::string& name, const char* what) {
    for (size_t i = 0; i < list.size(); ++i)
      if (list[i].name == name) return static_cast<int>(i);
    throw Error(ErrorCode::kInvalidArgument,
                std::string("the engine has no ") + what + " \"" + name + "\"");
  }
  [[noreturn]] void fail_missing(const std::map<std::string, Value>& given) const {
    for (const TensorInfo& info : inputs_)
      if (given.count(info.name) == 0)
        throw Error(ErrorCode::kInvalidArgument, "input \"" + info.name + "\" is missing");
    throw Error(ErrorCode::kInvalidArgument, "an input is given twice");
  }

  std::unique_ptr<planish_context, detail::Release> handle_;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
};

// A compiled network. Copies share it.
class Engine {
 public:
  explicit Engine(planish_engine* handle) : handle_(handle, detail::Release{}) {}

  void save(const std::string& path) const {
    detail::check(planish_engine_save(handle(), path.c_str()));
  }
  Value serialize() const {
    planish_value* bytes = nullptr;
    detail::check(planish_engine_serialize(handle(), &bytes));
    return Value(bytes);
  }
  std::vector<TensorInfo> inputs() const { return infos(0, planish_engine_input_count(handle())); }
  std::vector<TensorInfo> outputs() const {
    return infos(planish_engine_input_count(handle()), planish_engine_output_count(handle()));
  }
  std::map<std::string, std::string> metadata() const {
    std::map<std::string, std::string> out;
    for (int i = 0; i < planish_engine_metadata_count(handle()); ++i)
      out.emplace(planish_engine_metadata_key(handle(), i),
                  planish_engine_metadata_value(handle(), i));
    return out;
  }
  std::string describe() const {
    const char* json = nullptr;
    detail::check(planish_engine_describe(handle(), &json));
    return json;
  }
  // In what the plans of two engines differ, one difference a line.
  std::string diff(const Engine& other) const {
    const char* text = nullptr;
    detail::check(planish_engine_diff(handle(), other.handle(), &text));
    return text;
  }
  Context create_context(int profile = 0) const {
    planish_context* context = nullptr;
    detail::check(planish_context_create(handle(), profile, &context));
    return Context(context, inputs(), outputs());
  }
  planish_engine* handle() const { return handle_.get(); }

 private:
  std::vector<TensorInfo> infos(int first, int count) const {
    std::vector<TensorInfo> out;
    for (int i = first; i < first + count; ++i) {
      TensorInfo info{.name = planish_engine_io_name(handle(), i),
                      .dtype = planish_engine_io_dtype(handle(), i),
                      .shape = std::nullopt,
                      .type = planish_engine_io_type(handle(), i)};
      const int rank = planish_engine_io_rank(handle(), i);
      if (rank >= 0) {
        info.shape.emplace();
        for (int axis = 0; axis < rank; ++axis)
          info.shape->emplace_back(planish_engine_io_dim(handle(), i, axis));
      }
      out.push_back(std::move(info));
    }
    return out;
  }

  std::shared_ptr<planish_engine> handle_;
};

inline Engine load(const std::string& path, const Options& options = {}, bool map_file = true) {
  planish_engine* engine = nullptr;
  detail::check(planish_engine_load(path.c_str(), map_file ? 0 : 1, options.handle(), &engine));
  return Engine(engine);
}
inline Engine load(std::span<const std::byte> bytes, const Options& options = {}) {
  planish_engine* engine = nullptr;
  detail::check(planish_engine_load_bytes(bytes.data(), bytes.size(), options.handle(), &engine));
  return Engine(engine);
}
inline Engine build(const std::string& path, const Options& options = {}) {
  planish_engine* engine = nullptr;
  detail::check(planish_build_file(path.c_str(), options.handle(), &engine));
  return Engine(engine);
}
inline Engine build(std::span<const std::byte> model, const Options& options = {}) {
  planish_engine* engine = nullptr;
  detail::check(planish_build_bytes(model.data(), model.size(), options.handle(), &engine));
  return Engine(engine);
}

}  // namespace api
}  // namespace planish

#include "planish/network.h"
