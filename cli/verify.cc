// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common.h"
#include "dtypes.h"
#include "files.h"
#include "inputs.h"
#include "npy.h"

namespace planish::cli {
namespace {

namespace fs = std::filesystem;

struct VerifyFlags {
  std::string model, against = "auto", python = "python3";
  InputFlags inputs;
  double tolerance = 1e-4;
  bool json = false;
  OptionFlags options;
};

// A folder that goes when the object does.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "planish-verify-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw Error(ErrorCode::kFileError, "cannot make a temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// ONNX Runtime lives in Python: the inputs go to a folder, the outputs come back from it.
constexpr const char* kScript = R"(
import json, sys, numpy, onnxruntime
folder = sys.argv[2]
job = json.load(open(folder + "/job.json"))
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
feed = {name: numpy.load(file) for name, file in job["inputs"].items()}
for name, value in zip(job["outputs"], session.run(list(job["outputs"]), feed)):
    if isinstance(value, numpy.ndarray) and value.dtype != object:
        numpy.save(job["outputs"][name], value)
)";

bool has_onnxruntime(const std::string& python) {
  return std::system(
             (shell_quoted(python) + " -c 'import onnxruntime, numpy' >/dev/null 2>&1").c_str()) ==
         0;
}

std::map<std::string, Value> run_onnxruntime(const VerifyFlags& flags, const Engine& engine,
                                             const std::map<std::string, Value>& inputs) {
  const TemporaryFolder folder;
  nlohmann::json job;
  int number = 0;
  for (const auto& [name, value] : inputs) {
    const std::string file = (folder.path() / ("in" + std::to_string(number++) + ".npy")).string();
    write_file(file, to_npy(value));
    job["inputs"][name] = file;
  }
  number = 0;
  for (const TensorInfo& info : engine.outputs())
    job["outputs"][info.name] =
        (folder.path() / ("out" + std::to_string(number++) + ".npy")).string();
  std::ofstream(folder.path() / "job.json") << job.dump();
  std::ofstream(folder.path() / "run.py") << kScript;
  const std::string command =
      shell_quoted(flags.python) + " " + shell_quoted((folder.path() / "run.py").string()) + " " +
      shell_quoted(flags.model) + " " + shell_quoted(folder.path().string());
  if (std::system(command.c_str()) != 0)
    throw Error(ErrorCode::kUnsupported, "ONNX Runtime could not run the model", "",
                "see its message above, or use --against reference");
  std::map<std::string, Value> out;
  for (const TensorInfo& info : engine.outputs()) {
    const std::string file = job["outputs"][info.name];
    if (fs::exists(file)) out[info.name] = parse_npy(read_file(file), file, info.dtype);
  }
  return out;
}

std::map<std::string, Value> run_reference(const VerifyFlags& flags,
                                           const std::map<std::string, Value>& inputs) {
  const auto options = flags.options.make();
  options->set("reference", "true");
  return build(flags.model, *options).create_context().run(inputs);
}

double element(const Value& v, size_t i) {
  switch (v.dtype()) {
    case 1: return static_cast<const float*>(v.data())[i];
    case 2:
    case 9: return static_cast<const uint8_t*>(v.data())[i];
    case 3: return static_cast<const int8_t*>(v.data())[i];
    case 4: return static_cast<const uint16_t*>(v.data())[i];
    case 5: return static_cast<const int16_t*>(v.data())[i];
    case 6: return static_cast<const int32_t*>(v.data())[i];
    case 7: return static_cast<double>(static_cast<const int64_t*>(v.data())[i]);
    case 10: return static_cast<double>(static_cast<const _Float16*>(v.data())[i]);
    case 11: return static_cast<const double*>(v.data())[i];
    case 12: return static_cast<const uint32_t*>(v.data())[i];
    case 13: return static_cast<double>(static_cast<const uint64_t*>(v.data())[i]);
    default: return 0;
  }
}

struct Difference {
  bool comparable = false, same_shape = false;
  double relative = 0;  // to the largest magnitude
  size_t worst = 0;
  double ours = 0, theirs = 0;
};

Difference compare(const Value& ours, const Value& theirs) {
  Difference d;
  d.same_shape = ours.dims() == theirs.dims() && ours.dtype() == theirs.dtype();
  d.comparable = ours.dtype() != 8 && ours.dtype() <= 13;
  if (!d.same_shape || !d.comparable) return d;
  size_t count = 1;
  for (int64_t n : ours.dims()) count *= static_cast<size_t>(n);
  double largest = 0, difference = 0;
  for (size_t i = 0; i < count; ++i) {
    const double a = element(ours, i), b = element(theirs, i);
    if (std::isfinite(b)) largest = std::max(largest, std::fabs(b));
    double gap = a == b || (std::isnan(a) && std::isnan(b)) ? 0 : std::fabs(a - b);
    if (std::isnan(gap)) gap = INFINITY;
    if (gap > difference) {
      difference = gap;
      d.worst = i;
      d.ours = a;
      d.theirs = b;
    }
  }
  d.relative = difference == 0 ? 0 : difference / (largest > 0 ? largest : 1);
  return d;
}

int run_verify(VerifyFlags flags) {
  if (is_plan(flags.model))
    throw Error(ErrorCode::kInvalidArgument, "verify takes a model, got a plan", "",
                "give the ONNX file that the plan was built from");
  if (flags.against != "auto" && flags.against != "onnxruntime" && flags.against != "reference")
    throw Error(ErrorCode::kInvalidArgument,
                "--against: expected onnxruntime or reference, got \"" + flags.against + "\"");
  const Engine engine = build(flags.model, *flags.options.make());
  const auto inputs = flags.inputs.make(engine);
  if (flags.against == "auto")
    flags.against = has_onnxruntime(flags.python) ? "onnxruntime" : "reference";
  const auto ours = engine.create_context().run(inputs);
  const auto theirs = flags.against == "onnxruntime" ? run_onnxruntime(flags, engine, inputs)
                                                     : run_reference(flags, inputs);
  bool good = true;
  nlohmann::ordered_json out{{"against", flags.against}, {"tolerance", flags.tolerance}};
  if (!flags.json)
    std::printf("%-28s %-22s %-12s against %s\n", "output", "shape", "difference",
                flags.against.c_str());
  for (const TensorInfo& info : engine.outputs()) {
    const Value& value = ours.at(info.name);
    const auto other = theirs.find(info.name);
    std::string verdict = "not compared: no tensor of numbers";
    Difference d;
    if (value.is_tensor() && other != theirs.end() && other->second.is_tensor())
      d = compare(value, other->second);
    if (d.comparable) {
      const bool fine = d.same_shape && d.relative <= flags.tolerance;
      good &= fine;
      verdict = !d.same_shape ? "DIFFERS: another shape or type, " + dims_text(other->second.dims())
                : fine        ? "same"
                              : "DIFFERS";
    }
    if (flags.json) {
      out["outputs"].push_back(
          {{"name", info.name}, {"difference", d.relative}, {"verdict", verdict}});
      continue;
    }
    std::printf("%-28.28s %-22s %-12.1e %s\n", info.name.c_str(),
                value.is_tensor() ? dims_text(value.dims()).c_str() : "-", d.relative,
                verdict.c_str());
    if (verdict == "DIFFERS")
      std::printf("    largest at element %zu: %g here, %g there\n", d.worst, d.ours, d.theirs);
  }
  out["same"] = good;
  if (flags.json)
    std::printf("%s\n", out.dump(2).c_str());
  else
    std::printf("%s: differences are relative to the output's largest value; allowed %.1e\n",
                good ? "same" : "DIFFERENT", flags.tolerance);
  return good ? 0 : 1;
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* verb =
      app.add_subcommand("verify", "compare a model's results with ONNX Runtime or the reference");
  verb->add_option("model", flags->model, "the ONNX file")->required();
  verb->add_option("--against", flags->against,
                   "onnxruntime or reference [the first that is there]");
  verb->add_option("--python", flags->python, "interpreter that has onnxruntime [python3]");
  verb->add_option("--within", flags->tolerance,
                   "largest difference, relative to the output's largest value [1e-4]");
  flags->inputs.add(*verb);
  verb->add_flag("--json", flags->json, "print the result as JSON");
  flags->options.add(*verb, "any", true);
  verb->footer(
      "Examples:\n"
      "  planish verify model.onnx\n"
      "  planish verify model.onnx --against reference --shape x=4x3x224x224\n"
      "Exit code 1 means that a result differs.");
  verb->callback([flags, &exit_code] { exit_code = run_verify(*flags); });
}

}  // namespace planish::cli
