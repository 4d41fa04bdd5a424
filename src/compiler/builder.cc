// SPDX-License-Identifier: Apache-2.0
#include "compiler/builder.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>

#include "backend/cpu/compile/compile.h"
#include "backend/cpu/compile/pipeline.h"
#include "backend/cuda/compile/compile.h"
#include "backend/cuda/compile/pipeline.h"
#include "backend/ref/compile/lower.h"
#include "base/str.h"
#include "compiler/rebuild_command.h"
#include "import/onnx/importer.h"
#include "ir/text.h"
#include "passes/infer.h"
#include "passes/pipelines.h"
#include "planish/error.h"
#include "planish/version.h"

namespace planish {
namespace {

class Clock {
 public:
  explicit Clock(const BuildRequest& request) : request_(request) {}

  void report(const std::string& stage, double fraction) {
    stage_ = stage;
    fraction_ = fraction;
    check();
  }
  // Throws if the caller wants the build to end or its time is up.
  void check() const {
    const double seconds = elapsed();
    if (request_.progress && !request_.progress(stage_, fraction_, seconds))
      throw Error(ErrorCode::kCancelled, "the build was cancelled");
    if (seconds > request_.options.build_seconds)
      throw Error(ErrorCode::kBudgetExceeded,
                  concat("the build takes more than ", request_.options.build_seconds, " seconds"),
                  "", "raise build_seconds if this is meant");
  }

 private:
  double elapsed() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  const BuildRequest& request_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::string stage_ = "start";
  double fraction_ = 0;
};

bool is_cuda(const std::string& device) {
  return device == "cuda" || device.rfind("cuda:", 0) == 0;
}

// Whether the build is for a GPU: "auto" is one that can be used, which takes a look at the driver.
bool is_for_gpu(const Options& options) {
  if (options.reference) return false;
  if (options.device == "auto")
    return !options.target.empty() || (options.precision != "int8" && cuda::is_usable(options));
  return is_cuda(options.device);
}

// Whether the build is for a GPU.
bool check_options(const Options& options) {
  if (options.device != "auto" && options.device != "cpu" && !is_cuda(options.device))
    throw Error(
        ErrorCode::kInvalidArgument,
        concat("option device: expected cpu, cuda, cuda:N or auto, got \"", options.device, "\""),
        "", "use device=cpu");
  const std::string& precision = options.precision;
  const bool is_plain = precision == "fp32" || precision == "tf32" || precision == "auto";
  const bool for_gpu = is_for_gpu(options);
  if (for_gpu) {
    if (!is_plain && precision != "fp16" && precision != "bf16")
      throw Error(ErrorCode::kUnsupported,
                  concat("precision ", precision,
                         ": the CUDA backend computes in fp32, tf32, fp16 "
                         "and bf16"),
                  "", "models that are quantised already keep their integers");
  } else if (!is_plain) {
    throw Error(ErrorCode::kUnsupported,
                concat("precision ", precision, ": the CPU backend computes in fp32"), "",
                "use precision=fp32; models that are quantised already keep their integers");
  }
  std::set<std::string> known;
  for (const auto& list : {passes::pass_names(), cpu::pass_names(), cuda::pass_names()})
    known.insert(list.begin(), list.end());
  for (const std::string& name : split_list(options.disable_pass))
    if (known.count(name) == 0)
      throw Error(ErrorCode::kInvalidArgument,
                  concat("option disable_pass: there is no pass \"", name, "\""), "",
                  concat("passes: ", join(known)));
  return for_gpu;
}

void check_range(const std::string& input, const plan::DimsRange& r) {
  const std::string what = concat("shapes of input \"", input, "\": min ", dims_to_string(r.min),
                                  ", opt ", dims_to_string(r.opt), ", max ", dims_to_string(r.max));
  if (r.min.size() != r.opt.size() || r.opt.size() != r.max.size())
    throw Error(ErrorCode::kInvalidArgument, what + ": expected three of one rank");
  for (size_t i = 0; i < r.min.size(); ++i)
    if (r.min[i] < 0 || r.min[i] > r.opt[i] || r.opt[i] > r.max[i])
      throw Error(ErrorCode::kInvalidArgument,
                  concat(what, ": expected 0 <= min <= opt <= max in dimension ", i));
}

// The shapes that all profiles allow together: a fixed dim, or a symbol with a range, which keeps
// its declared name.
std::map<std::string, Shape> wanted_shapes(
    const BuildRequest& request, const std::vector<std::pair<std::string, Type>>& declared) {
  std::map<std::string, std::vector<DimRange>> ranges;
  for (const auto& profile : request.profiles)
    for (const auto& [input, r] : profile) {
      check_range(input, r);
      auto& all = ranges[input];
      if (all.empty()) {
        for (size_t i = 0; i < r.min.size(); ++i) all.push_back({r.min[i], r.max[i]});
        continue;
      }
      if (all.size() != r.min.size())
        throw Error(ErrorCode::kInvalidArgument,
                    concat("shapes of input \"", input, "\": profiles differ in rank"));
      for (size_t i = 0; i < all.size(); ++i)
        all[i] = {std::min(all[i].min, r.min[i]), std::max(all[i].max, r.max[i])};
    }
  std::map<std::string, Shape> out;
  for (const auto& [input, all] : ranges) {
    const auto found = std::find_if(declared.begin(), declared.end(),
                                    [&](const auto& item) { return item.first == input; });
    Shape shape;
    for (size_t i = 0; i < all.size(); ++i) {
      std::string name = concat(input, ".", i);
      if (found != declared.end() && found->second.has_rank() && i < found->second.shape->size() &&
          (*found->second.shape)[i].is_symbol())
        name = (*found->second.shape)[i].symbol_name();
      shape.push_back(Dim::symbol(name, all[i]));
    }
    out.emplace(input, std::move(shape));
  }
  return out;
}

onnx::ImportOptions import_options(const BuildRequest& request) {
  onnx::ImportOptions options;
  options.limits.nodes = request.options.max_model_nodes;
  options.limits.nesting = static_cast<int>(request.options.max_nesting);
  if (!request.options.external_data.empty())
    options.external_data_folder = request.options.external_data;
  return options;
}

// Profiles of the plan, parallel to its inputs.
std::vector<plan::Profile> plan_profiles(const BuildRequest& request,
                                         const std::vector<plan::Port>& inputs) {
  std::vector<plan::Profile> out;
  for (const auto& profile : request.profiles) {
    plan::Profile p;
    p.name = std::to_string(out.size());
    p.inputs.resize(inputs.size());
    for (const auto& [input, range] : profile) {
      const auto at = std::find_if(inputs.begin(), inputs.end(),
                                   [&](const plan::Port& port) { return port.name == input; });
      if (at == inputs.end()) {
        std::vector<std::string> names;
        for (const plan::Port& port : inputs) names.push_back(port.name);
        throw Error(ErrorCode::kInvalidArgument,
                    concat("shapes: the model has no input \"", input, "\""), "",
                    concat("inputs: ", join(names)));
      }
      p.inputs[static_cast<size_t>(at - inputs.begin())] = range;
    }
    out.push_back(std::move(p));
  }
  return out;
}

// What tactics are tuned for: the first profile.
std::map<std::string, Dims> usual_shapes(const BuildRequest& request) {
  std::map<std::string, Dims> shapes;
  if (request.profiles.empty()) return shapes;
  for (const auto& [input, range] : request.profiles.front()) shapes[input] = range.opt;
  return shapes;
}

plan::Plan compile(ir::Graph& graph, const BuildRequest& request, bool for_gpu, Clock& clock) {
  plan::Plan plan;
  plan.made_by = PLANISH_VERSION;
  plan.sources = concat("planish ", PLANISH_VERSION);
  plan.rebuild = request.command.empty() ? rebuild_command(request) : request.command;
  plan.metadata = graph.metadata();
  const size_t nodes_before = graph.total_node_count();
  passes::PassContext context{.fold_bytes = request.options.max_fold_bytes,
                              .check_cancelled = [&clock] { clock.check(); }};
  if (request.options.max_build_memory > 0)
    context.fold_total_bytes = request.options.max_build_memory;
  context.keep_quantized_weights = !for_gpu;
  passes::PipelineOptions pipeline;
  for (const std::string& name : split_list(request.options.disable_pass))
    pipeline.disabled.insert(name);
  std::map<std::string, int> fired;
  pipeline.observer = [&](const passes::Pass& pass, const ir::Graph&) { ++fired[pass.name]; };
  clock.report("optimising", 0.2);
  if (request.options.reference)
    passes::infer_types(graph, passes::Known::kIgnore);
  else
    passes::canonicalize(graph, context, pipeline);
  if (request.options.embed_graph) {
    const auto text = std::make_shared<const std::string>(ir::print(graph));
    plan.sections.push_back(
        {"graph", {std::as_bytes(std::span(text->data(), text->size())), text}});
  }
  clock.report("choosing kernels", 0.6);
  if (request.options.reference) {
    plan.target.isa = "plain";
    ref::lower(graph, {}, plan);
  } else if (for_gpu) {
    cuda::compile(graph, request.options, context, pipeline, usual_shapes(request), nullptr, plan);
  } else {
    cpu::compile(graph, request.options, context, pipeline, usual_shapes(request), plan);
  }
  plan.profiles = plan_profiles(request, plan.inputs);
  size_t steps = 0;
  for (const plan::Program& program : plan.programs) steps += program.steps.size();
  plan.report.push_back({"model",
                         graph.name(),
                         {{"nodes_before", std::to_string(nodes_before)},
                          {"nodes_after", std::to_string(graph.node_count())},
                          {"steps", std::to_string(steps)}}});
  for (const auto& [name, count] : fired)
    plan.report.push_back({"pass", name, {{"rounds", std::to_string(count)}}});
  clock.report("done", 1);
  return plan;
}

}  // namespace

Dims parse_dims(const std::string& text) {
  Dims dims;
  if (text.empty()) return dims;
  const char* at = text.data();
  const char* end = at + text.size();
  for (;;) {
    int64_t v = 0;
    const auto [next, error] = std::from_chars(at, end, v);
    if (error != std::errc() || v < 0)
      throw Error(ErrorCode::kInvalidArgument,
                  concat("shape \"", text, "\": expected dimensions like 1x3x224x224"));
    dims.push_back(v);
    if (next == end) return dims;
    if (*next != 'x')
      throw Error(ErrorCode::kInvalidArgument,
                  concat("shape \"", text, "\": expected dimensions like 1x3x224x224"));
    at = next + 1;
  }
}

plan::Plan build_file(const std::string& path, const BuildRequest& request) {
  Clock clock(request);
  const bool for_gpu = check_options(request.options);
  clock.report("reading the model", 0);
  onnx::ImportOptions options = import_options(request);
  if (!request.profiles.empty())
    options.shapes = wanted_shapes(request, onnx::read_signature(path).inputs);
  const auto graph = onnx::import_file(path, options);
  return compile(*graph, request, for_gpu, clock);
}

plan::Plan build_bytes(std::span<const std::byte> model, const BuildRequest& request) {
  Clock clock(request);
  const bool for_gpu = check_options(request.options);
  clock.report("reading the model", 0);
  onnx::ImportOptions options = import_options(request);
  if (!request.profiles.empty())
    options.shapes = wanted_shapes(request, onnx::read_signature(model).inputs);
  const auto graph = onnx::import_bytes(model, options);
  return compile(*graph, request, for_gpu, clock);
}

plan::Plan build_graph(std::unique_ptr<ir::Graph> graph, const BuildRequest& request) {
  Clock clock(request);
  const bool for_gpu = check_options(request.options);
  std::vector<std::pair<std::string, Type>> declared;
  for (const ir::Value* in : graph->inputs()) declared.emplace_back(in->name(), in->type());
  const auto shapes = wanted_shapes(request, declared);
  for (ir::Value* in : graph->inputs()) {
    const auto it = shapes.find(in->name());
    if (it != shapes.end())
      in->set_type(merge(Type::tensor(in->type().dtype, it->second), in->type(), in->name()));
  }
  return compile(*graph, request, for_gpu, clock);
}

}  // namespace planish
