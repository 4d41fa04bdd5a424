// SPDX-License-Identifier: Apache-2.0
// planish._planish: the C++ interface as Python sees it, without opinions. Arrays arrive as
// addresses; planish/_arrays.py knows numpy, DLPack and the rest.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "planish/planish.h"

namespace nb = nanobind;

namespace {

PyObject* error_class = nullptr;  // planish.Error, set when the package is imported

void raise(const planish::Error& e) {
  nb::object args =
      nb::make_tuple(e.what(), e.code_name(), e.node().empty() ? nb::none() : nb::cast(e.node()),
                     e.hint().empty() ? nb::none() : nb::cast(e.hint()));
  nb::object exception = nb::steal(PyObject_CallObject(error_class, args.ptr()));
  if (exception.is_valid()) PyErr_SetObject(error_class, exception.ptr());
}

void translate(const std::exception_ptr& p, void*) {
  try {
    std::rethrow_exception(p);
  } catch (const planish::Error& e) {
    raise(e);
  }
}

using planish::detail::check;

// A tensor over the memory of a Python object, which lives as long as the value.
planish::Value make_tensor(int dtype, const std::vector<int64_t>& dims, uintptr_t address,
                           size_t bytes, const nb::object& keep) {
  PyObject* held = keep.ptr();
  planish_value* handle = nullptr;
  check(planish_tensor_create(
      dtype, static_cast<int>(dims.size()), dims.data(), reinterpret_cast<void*>(address), bytes,
      [](void* user) {
        const nb::gil_scoped_acquire gil;
        Py_DECREF(static_cast<PyObject*>(user));
      },
      held, &handle));
  Py_INCREF(held);
  return planish::Value(handle);
}

planish::Value make_strings(const std::vector<int64_t>& dims,
                            const std::vector<nb::bytes>& values) {
  std::vector<std::string> text;
  for (const nb::bytes& v : values) text.emplace_back(v.c_str(), v.size());
  return planish::Value::strings(dims, text);
}

planish::Value make_none() {
  planish_value* handle = nullptr;
  check(planish_none_create(&handle));
  return planish::Value(handle);
}

std::vector<nb::bytes> strings_of(const planish::Value& v) {
  int64_t count = 1;
  for (int64_t d : v.dims()) count *= d;
  std::vector<nb::bytes> out;
  for (int64_t i = 0; i < count; ++i) {
    const std::string s = v.string(i);
    out.emplace_back(s.data(), s.size());
  }
  return out;
}

std::vector<planish::Value> items_of(const planish::Value& v) {
  std::vector<planish::Value> out;
  for (size_t i = 0; i < v.count(); ++i) out.push_back(v.item(i));
  return out;
}

planish::Value part_of_map(const planish::Value& v, bool keys) {
  planish_value* handle = nullptr;
  check(keys ? planish_map_keys(v.handle(), &handle) : planish_map_values(v.handle(), &handle));
  return planish::Value(handle);
}

// Build options with a Python callback. A signal that has arrived cancels the build.
struct Options {
  planish::Options options;
  nb::object progress = nb::none();
  bool interrupted = false;

  void arm() {
    options.progress([this](const std::string& stage, double fraction, double seconds) {
      const nb::gil_scoped_acquire gil;
      if (interrupted || PyErr_CheckSignals() != 0) {
        interrupted = true;
        return false;
      }
      if (progress.is_none()) return true;
      try {
        return !progress(stage, fraction, seconds).is(nb::bool_(false));
      } catch (nb::python_error& e) {
        e.restore();
        interrupted = true;
        return false;
      }
    });
  }
};

// Runs a build without the GIL; an exception that the callback left behind wins over "cancelled".
template <class F>
planish::Engine build_with(Options& options, F&& f) {
  options.interrupted = false;
  options.arm();
  std::optional<planish::Engine> engine;
  try {
    const nb::gil_scoped_release free;
    engine.emplace(f());
  } catch (const planish::Error&) {
    if (options.interrupted && PyErr_Occurred() != nullptr) throw nb::python_error();
    throw;
  }
  return std::move(*engine);
}

std::vector<planish::Value> run(planish::Context& context,
                                const std::vector<planish::Value>& inputs,
                                const std::vector<std::optional<planish::Value>>& outputs) {
  const nb::gil_scoped_release free;
  planish_context* handle = context.handle();
  for (size_t i = 0; i < inputs.size(); ++i)
    check(planish_context_set_input(handle, static_cast<int>(i), inputs[i].handle()));
  for (size_t i = 0; i < outputs.size(); ++i)
    check(planish_context_set_output(handle, static_cast<int>(i),
                                     outputs[i] ? outputs[i]->handle() : nullptr));
  const planish_status status = planish_context_run(handle);
  // The caller's memory is not held beyond the run.
  const std::string message = planish_error_message(), node = planish_error_node(),
                    hint = planish_error_hint();
  for (size_t i = 0; i < inputs.size(); ++i)
    planish_context_set_input(handle, static_cast<int>(i), nullptr);
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i]) planish_context_set_output(handle, static_cast<int>(i), nullptr);
  if (status != 0)
    throw planish::Error(static_cast<planish::ErrorCode>(status), message, node, hint);
  std::vector<planish::Value> out;
  for (size_t i = 0; i < outputs.size(); ++i) {
    planish_value* value = nullptr;
    check(planish_context_output(handle, static_cast<int>(i), &value));
    out.emplace_back(value);
  }
  return out;
}

// Runs once and returns a tuple (index, node, op, kernel, start, seconds) a step.
nb::list profile(planish::Context& context, const std::vector<planish::Value>& inputs,
                 size_t outputs) {
  struct Row {
    int step;
    std::string node, op, kernel;
    double start, seconds;
  };
  std::vector<Row> rows;
  planish_context_set_step_callback(
      context.handle(),
      [](int step, const char* node, const char* op, const char* kernel, double start,
         double seconds, void* user) {
        static_cast<std::vector<Row>*>(user)->push_back({step, node, op, kernel, start, seconds});
      },
      &rows);
  try {
    run(context, inputs, std::vector<std::optional<planish::Value>>(outputs));
  } catch (...) {
    planish_context_set_step_callback(context.handle(), nullptr, nullptr);
    throw;
  }
  planish_context_set_step_callback(context.handle(), nullptr, nullptr);
  nb::list out;
  for (const Row& r : rows)
    out.append(nb::make_tuple(r.step, r.node, r.op, r.kernel, r.start, r.seconds));
  return out;
}

nb::tuple info_tuple(const planish::TensorInfo& info, int kind) {
  return nb::make_tuple(info.name, info.dtype, info.shape ? nb::cast(*info.shape) : nb::none(),
                        info.type, kind);
}

nb::list infos(const planish::Engine& e, bool inputs) {
  nb::list out;
  const auto list = inputs ? e.inputs() : e.outputs();
  const int first = inputs ? 0 : planish_engine_input_count(e.handle());
  for (size_t i = 0; i < list.size(); ++i)
    out.append(
        info_tuple(list[i], planish_engine_io_kind(e.handle(), first + static_cast<int>(i))));
  return out;
}

nb::tuple memory(const planish::Engine& e, int profile_index) {
  int64_t weights = 0, arena = 0, bound = 0;
  check(planish_engine_memory(e.handle(), profile_index, &weights, &arena, &bound));
  return nb::make_tuple(weights, arena, bound);
}

nb::list option_rows() {
  nb::list out;
  for (int i = 0; i < planish_option_count(); ++i) {
    nb::list fields;
    for (int f = 0; f < 6; ++f) fields.append(planish_option_field(i, f));
    out.append(fields);
  }
  return out;
}

}  // namespace

// size: one list of all that the module holds
NB_MODULE(_planish, m) {
  nb::set_leak_warnings(false);
  nb::register_exception_translator(translate, nullptr);
  m.def("set_error_class", [](nb::object cls) { error_class = cls.release().ptr(); });
  m.def("version", [] { return planish_version(); });
  m.def("option_rows", option_rows);
  m.def(
      "set_log",
      [](int level, nb::object callback) {
        static PyObject* held = nullptr;
        PyObject* old = held;
        held = callback.is_none() ? nullptr : callback.release().ptr();
        planish_set_log(level,
                    held == nullptr ? nullptr
                                    : +[](int l, const char* message, void* user) {
                                        const nb::gil_scoped_acquire gil;
                                        try {
                                          nb::handle(static_cast<PyObject*>(user))(l, message);
                                        } catch (nb::python_error& e) {
                                          e.discard_as_unraisable("planish log callback");
                                        }
                                      },
                    held);
        Py_XDECREF(old);
      },
      nb::arg("level"), nb::arg("callback").none());

  nb::class_<planish::Value>(m, "Value")
      .def_prop_ro("kind", [](const planish::Value& v) { return planish_value_kind(v.handle()); })
      .def_prop_ro("dtype", [](const planish::Value& v) { return v.dtype(); })
      .def_prop_ro("dims", [](const planish::Value& v) { return v.dims(); })
      .def_prop_ro("address",
                   [](const planish::Value& v) { return reinterpret_cast<uintptr_t>(v.data()); })
      .def_prop_ro("bytes", [](const planish::Value& v) { return v.bytes(); })
      .def("strings", strings_of)
      .def("items", items_of)
      .def("keys", [](const planish::Value& v) { return part_of_map(v, true); })
      .def("values", [](const planish::Value& v) { return part_of_map(v, false); });
  m.def("tensor", make_tensor);
  m.def("strings", make_strings);
  m.def("sequence",
        [](const std::vector<planish::Value>& items) { return planish::Value::sequence(items); });
  m.def("none", make_none);

  nb::class_<Options>(m, "Options")
      .def(nb::init<>())
      .def("set", [](Options& o, const std::string& name,
                     const std::string& text) { o.options.set(name, text); })
      .def("set_shape",
           [](Options& o, int profile_index, const std::string& input, const std::string& min,
              const std::string& opt,
              const std::string& max) { o.options.shape(input, min, opt, max, profile_index); })
      .def("set_progress",
           [](Options& o, nb::object callback) { o.progress = std::move(callback); });

  nb::class_<planish::Context>(m, "Context").def("run", run).def("profile", profile);
  nb::class_<planish::Engine>(m, "Engine")
      .def("inputs", [](const planish::Engine& e) { return infos(e, true); })
      .def("outputs", [](const planish::Engine& e) { return infos(e, false); })
      .def("metadata",
           [](const planish::Engine& e) {
             nb::dict out;
             for (const auto& [key, value] : e.metadata()) {
               PyObject* text = PyUnicode_DecodeUTF8(
                   value.data(), static_cast<Py_ssize_t>(value.size()), "replace");
               out[key.c_str()] = nb::steal(text);
             }
             return out;
           })
      .def("describe", [](const planish::Engine& e) { return e.describe(); })
      .def("memory", memory)
      .def("profile_count",
           [](const planish::Engine& e) { return planish_engine_profile_count(e.handle()); })
      .def("create_context",
           [](const planish::Engine& e, int p) {
             const nb::gil_scoped_release free;
             return e.create_context(p);
           })
      .def("save",
           [](const planish::Engine& e, const std::string& path) {
             const nb::gil_scoped_release free;
             e.save(path);
           })
      .def("serialize", [](const planish::Engine& e) {
        const planish::Value v = e.serialize();
        return nb::bytes(static_cast<const char*>(v.data()), v.bytes());
      });

  m.def("build_file", [](const std::string& path, Options& o) {
    return build_with(o, [&] { return planish::build(path, o.options); });
  });
  m.def("build_bytes", [](const nb::bytes& model, Options& o) {
    const std::span<const std::byte> span(reinterpret_cast<const std::byte*>(model.c_str()),
                                          model.size());
    return build_with(o, [&] { return planish::build(span, o.options); });
  });
  m.def("load_file", [](const std::string& path, Options& o, bool map_file) {
    const nb::gil_scoped_release free;
    return planish::load(path, o.options, map_file);
  });
  m.def("load_bytes", [](const nb::bytes& plan, Options& o) {
    const std::span<const std::byte> span(reinterpret_cast<const std::byte*>(plan.c_str()),
                                          plan.size());
    const nb::gil_scoped_release free;
    return planish::load(span, o.options);
  });

  using planish::Network;
  nb::class_<Network>(m, "Network")
      .def(nb::init<const std::string&>())
      .def("add_input", &Network::add_input)
      .def("add_constant", &Network::add_constant)
      .def("begin_node",
           [](Network& n, const std::string& op, const std::string& name,
              const std::vector<int>& inputs, int outputs) {
             check(planish_network_begin_node(n.handle(), op.c_str(), name.c_str(),
                                              static_cast<int>(inputs.size()), inputs.data(),
                                              outputs));
           })
      .def("set_int", [](Network& n, const std::string& k,
                         int64_t v) { check(planish_network_set_int(n.handle(), k.c_str(), v)); })
      .def("set_float",
           [](Network& n, const std::string& k, double v) {
             check(planish_network_set_float(n.handle(), k.c_str(), v));
           })
      .def("set_string",
           [](Network& n, const std::string& k, const std::string& v) {
             check(planish_network_set_string(n.handle(), k.c_str(), v.c_str()));
           })
      .def("set_ints",
           [](Network& n, const std::string& k, const std::vector<int64_t>& v) {
             check(planish_network_set_ints(n.handle(), k.c_str(), v.size(), v.data()));
           })
      .def("set_floats",
           [](Network& n, const std::string& k, const std::vector<double>& v) {
             check(planish_network_set_floats(n.handle(), k.c_str(), v.size(), v.data()));
           })
      .def("set_strings",
           [](Network& n, const std::string& k, const std::vector<std::string>& v) {
             std::vector<const char*> text;
             for (const std::string& s : v) text.push_back(s.c_str());
             check(planish_network_set_strings(n.handle(), k.c_str(), text.size(), text.data()));
           })
      .def("set_tensor",
           [](Network& n, const std::string& k, const planish::Value& v) {
             check(planish_network_set_tensor(n.handle(), k.c_str(), v.handle()));
           })
      .def("begin_subgraph",
           [](Network& n, const std::string& k) {
             check(planish_network_begin_subgraph(n.handle(), k.c_str()));
           })
      .def("end_subgraph", [](Network& n) { check(planish_network_end_subgraph(n.handle())); })
      .def("end_node",
           [](Network& n, int outputs) {
             std::vector<int> ids(static_cast<size_t>(outputs));
             check(planish_network_end_node(n.handle(), ids.data()));
             return ids;
           })
      .def("abandon_node", [](Network& n) { planish_network_abandon_node(n.handle()); })
      .def("mark_output", &Network::mark_output)
      .def("type", &Network::type)
      .def("set_metadata", &Network::set_metadata)
      .def("build", [](Network& n, Options& o) {
        return build_with(o, [&] { return n.build(o.options); });
      });
}
