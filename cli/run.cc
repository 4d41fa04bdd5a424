// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common.h"
#include "compare.h"
#include "dtypes.h"
#include "inputs.h"

namespace planish::cli {
namespace {

struct RunFlags {
  std::string path, output;
  InputFlags inputs;
  bool json = false;
  OptionFlags options;
};

// The first numbers, and how they spread.
std::string summary(const Value& value) {
  if (!value.is_tensor()) return "";
  const size_t count = element_count(value);
  std::string out;
  constexpr size_t kShown = 4;
  for (size_t i = 0; i < std::min(count, kShown); ++i) {
    char text[32];
    if (value.dtype() != kString) std::snprintf(text, sizeof(text), "%.5g", element(value, i));
    out += (i == 0 ? "" : ", ") + (value.dtype() == kString
                                       ? fitted(value.string(static_cast<int64_t>(i)), 16)
                                       : std::string(text));
  }
  if (count > kShown) out += ", ...";
  if (value.dtype() == kString || count < 2) return out;
  double least = INFINITY, greatest = -INFINITY;
  size_t nans = 0;
  for (size_t i = 0; i < count; ++i) {
    const double x = element(value, i);
    nans += std::isnan(x) ? 1 : 0;
    least = std::fmin(least, x);
    greatest = std::fmax(greatest, x);
  }
  char text[96];
  std::snprintf(text, sizeof(text), "  (%.5g to %.5g", least, greatest);
  out += text;
  return out + (nans > 0 ? ", " + std::to_string(nans) + " NaN)" : ")");
}

Json value_json(const Value& value) {
  if (value.is_tensor()) return {{"dtype", dtype_name(value.dtype())}, {"shape", value.dims()}};
  if (!value.is_sequence()) return {{"kind", value.is_none() ? "none" : "map"}};
  Json items = Json::array();
  for (size_t i = 0; i < value.count(); ++i) items.push_back(value_json(value.item(i)));
  return {{"kind", "sequence"}, {"items", items}};
}

int run_run(const RunFlags& flags) {
  const Engine engine = open_engine(flags.path, flags.options, flags.json);
  const auto inputs = flags.inputs.make(engine, run_shapes(flags.path, flags.options));
  Context context = engine.create_context();
  const auto outputs = context.run(inputs);
  std::vector<std::pair<std::string, Value>> ordered;
  for (const TensorInfo& info : engine.outputs())
    ordered.emplace_back(info.name, outputs.at(info.name));
  const auto files = flags.output.empty() ? std::map<std::string, std::string>()
                                          : write_outputs(ordered, flags.output);
  Json out = Json::object();
  for (const auto& [name, value] : ordered) {
    const auto file = files.find(name);
    if (flags.json) {
      out[name] = value_json(value);
      if (file != files.end()) out[name]["file"] = file->second;
      continue;
    }
    std::printf("%s  %s\n", name.c_str(), kind_text(value).c_str());
    const std::string numbers = summary(value);
    if (!numbers.empty()) std::printf("    %s\n", numbers.c_str());
    if (file != files.end()) std::printf("    -> %s\n", file->second.c_str());
  }
  if (flags.json) print_json(out);
  return 0;
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* verb = app.add_subcommand("run", "run a plan or a model once");
  verb->add_option("PATH", flags->path, "a plan, or an ONNX model, which is built first")
      ->required();
  flags->inputs.add(*verb);
  verb->add_option("-o,--output,--output-dir", flags->output,
                   "where outputs go: a folder for one .npy each, or FILE.npz")
      ->type_name("PATH");
  verb->add_flag("--json", flags->json, "print the result as JSON");
  flags->options.add(*verb, "any", true);
  verb->footer(
      "Examples:\n"
      "  planish run model.plan --input x=x.npy --output-dir out\n"
      "  planish run model.onnx --input all.npz -o results.npz\n"
      "  planish run model.onnx --shape x=1x3x224x224\n"
      "  planish run model.onnx --input audio=a.npy --input sr=16000\n"
      "  planish run model.plan --input x=cat.jpg \\\n"
      "      --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225");
  verb->callback([flags, &exit_code] { exit_code = run_run(*flags); });
}

}  // namespace planish::cli
