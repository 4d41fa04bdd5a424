// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

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
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
kinds = {i.name: i.type for i in session.get_inputs()}
count = 0

def load(files, kind):
    if files is None:
        return None
    if isinstance(files, list):
        return [load(f, kind) for f in files]
    array = numpy.load(files)
    return array.astype(object) if "string" in kind else array

def save(value):
    global count
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, list):
        return [save(v) for v in value]
    value = numpy.asarray(value)
    count += 1
    file = folder + "/out%d.npy" % count
    numpy.save(file, value.astype(str) if value.dtype == object else value)
    return file

feed = {n: load(f, kinds.get(n, "")) for n, f in job["inputs"].items()}
made = dict(zip(job["outputs"], map(save, session.run(job["outputs"], feed))))
json.dump(made, open(folder + "/made.json", "w"))
)";

bool has_onnxruntime(const std::string& python) {
  return std::system(
             (shell_quoted(python) + " -c 'import onnxruntime, numpy' >/dev/null 2>&1").c_str()) ==
         0;
}

// Writes a value's tensors; what comes back is the file, or a list of them for a sequence.
Json write_value(const fs::path& folder, int& number, const Value& value) {
  if (value.is_none()) return nullptr;
  if (value.is_sequence()) {
    Json list = Json::array();
    for (size_t i = 0; i < value.count(); ++i)
      list.push_back(write_value(folder, number, value.item(i)));
    return list;
  }
  const std::string file = (folder / ("in" + std::to_string(number++) + ".npy")).string();
  write_file(file, to_npy(value));
  return file;
}

Value read_value(const Json& files, int dtype) {
  if (files.is_null()) return {};
  if (files.is_string()) {
    const auto file = files.get<std::string>();
    return parse_npy(read_file(file), file, dtype);
  }
  std::vector<Value> items;
  for (const Json& item : files) items.push_back(read_value(item, dtype));
  return Value::sequence(items);
}

Values run_onnxruntime(const VerifyFlags& flags, const Engine& engine, const Values& inputs) {
  const TemporaryFolder folder;
  Json job{{"inputs", Json::object()}, {"outputs", Json::array()}};
  int number = 0;
  for (const auto& [name, value] : inputs)
    job["inputs"][name] = write_value(folder.path(), number, value);
  for (const TensorInfo& info : engine.outputs()) job["outputs"].push_back(info.name);
  write_file((folder.path() / "job.json").string(), job.dump());
  write_file((folder.path() / "run.py").string(), kScript);
  const std::string command =
      shell_quoted(flags.python) + " " + shell_quoted((folder.path() / "run.py").string()) + " " +
      shell_quoted(flags.model) + " " + shell_quoted(folder.path().string());
  if (std::system(command.c_str()) != 0)
    throw Error(ErrorCode::kUnsupported, "ONNX Runtime could not run the model", "",
                "see its message above, or use --against reference");
  const Json made = Json::parse(read_file((folder.path() / "made.json").string()));
  Values out;
  for (const TensorInfo& info : engine.outputs())
    if (made.contains(info.name)) out[info.name] = read_value(made[info.name], info.dtype);
  return out;
}

Values run_reference(const VerifyFlags& flags, const Values& inputs) {
  const auto options = flags.options.make();
  options->set("reference", "true");
  return build(flags.model, *options).create_context().run(inputs);
}

// One output against the other's.
struct Difference {
  std::string reason;   // why they cannot be compared, or differ whatever the tolerance; else empty
  double absolute = 0;  // the largest
  double relative = 0;  // to the largest magnitude of the other's output
  size_t worst = 0;     // where
  double ours = 0, theirs = 0;
};

std::string kind_text(const Value& v) {
  if (v.is_tensor()) return std::string(dtype_name(v.dtype())) + " " + dims_text(v.dims());
  return v.is_sequence() ? "sequence of " + std::to_string(v.count()) : "no tensor";
}

Difference compare_strings(const Value& ours, const Value& theirs) {
  Difference d;
  const size_t count = element_count(ours);
  for (size_t i = 0; i < count; ++i) {
    const std::string a = ours.string(static_cast<int64_t>(i)),
                      b = theirs.string(static_cast<int64_t>(i));
    if (a == b) continue;
    d.reason = "element " + std::to_string(i) + " is \"" + fitted(a, 24) + "\", expected \"" +
               fitted(b, 24) + "\"";
    d.absolute = d.relative = INFINITY;
    return d;
  }
  return d;
}

Difference compare_tensors(const Value& ours, const Value& theirs) {
  Difference d;
  if (ours.dims() != theirs.dims() || ours.dtype() != theirs.dtype()) {
    d.reason = "is " + kind_text(ours) + ", expected " + kind_text(theirs);
    return d;
  }
  if (ours.dtype() == kString) return compare_strings(ours, theirs);
  double largest = 0;
  const size_t count = element_count(ours);
  for (size_t i = 0; i < count; ++i) {
    const double a = element(ours, i), b = element(theirs, i);
    if (std::isfinite(b)) largest = std::max(largest, std::fabs(b));
    double gap = a == b || (std::isnan(a) && std::isnan(b)) ? 0 : std::fabs(a - b);
    if (std::isnan(gap)) gap = INFINITY;
    if (gap > d.absolute) {
      d.absolute = gap;
      d.worst = i;
      d.ours = a;
      d.theirs = b;
    }
  }
  d.relative = d.absolute == 0 ? 0 : d.absolute / (largest > 0 ? largest : 1);
  return d;
}

Difference compare(const Value& ours, const Value& theirs) {
  if (ours.is_tensor() && theirs.is_tensor()) return compare_tensors(ours, theirs);
  Difference worst;
  if (ours.is_none() && theirs.is_none()) return worst;
  if (!ours.is_sequence() || !theirs.is_sequence() || ours.count() != theirs.count()) {
    worst.reason = "is " + kind_text(ours) + ", expected " + kind_text(theirs);
    return worst;
  }
  for (size_t i = 0; i < ours.count(); ++i) {
    Difference d = compare(ours.item(i), theirs.item(i));
    if (!d.reason.empty()) d.reason = "item " + std::to_string(i) + " " + d.reason;
    if (!d.reason.empty() || d.relative > worst.relative) worst = d;
    if (!d.reason.empty()) break;
  }
  return worst;
}

void print_row(const std::string& name, const Value& value, const Difference& d, bool is_same) {
  const size_t width = terminal_columns() > 80 ? terminal_columns() - 52 : 28;
  char error[32];
  std::snprintf(error, sizeof(error), "%.1e", d.relative);
  std::printf("%s %s %s %s\n", padded(name, width).c_str(), padded(kind_text(value), 26).c_str(),
              padded(d.reason.empty() ? error : "-", 10).c_str(), is_same ? "same" : "DIFFERS");
  if (is_same) return;
  if (!d.reason.empty())
    std::printf("    %s\n", d.reason.c_str());
  else
    std::printf("    largest at element %zu: %g, expected %g\n", d.worst, d.ours, d.theirs);
}

// Compares one set of inputs; false if an output differs.
bool verify_once(const VerifyFlags& flags, const Engine& engine, const Values& inputs, Json& out) {
  const auto ours = engine.create_context().run(inputs);
  const Values theirs = flags.against == "onnxruntime" ? run_onnxruntime(flags, engine, inputs)
                                                       : run_reference(flags, inputs);
  Json run{{"inputs", Json::object()}, {"outputs", Json::array()}};
  std::string shapes;
  for (const auto& [name, value] : inputs) {
    run["inputs"][name] = kind_text(value);
    shapes += (shapes.empty() ? "" : ", ") + name + " " + kind_text(value);
  }
  if (!flags.json) std::printf("with %s\n", shapes.empty() ? "no inputs" : shapes.c_str());
  bool good = true;
  for (const TensorInfo& info : engine.outputs()) {
    const Value& value = ours.at(info.name);
    const auto other = theirs.find(info.name);
    const Difference d = compare(value, other == theirs.end() ? Value() : other->second);
    const bool is_same = d.reason.empty() && d.relative <= flags.tolerance;
    good &= is_same;
    Json row{{"name", info.name}, {"value", kind_text(value)}, {"same", is_same}};
    if (d.reason.empty() && std::isfinite(d.relative)) {
      row["relative"] = d.relative;
      row["absolute"] = d.absolute;
    }
    if (!d.reason.empty()) row["reason"] = d.reason;
    run["outputs"].push_back(row);
    if (!flags.json) print_row(info.name, value, d, is_same);
  }
  out["runs"].push_back(run);
  return good;
}

int run_verify(VerifyFlags flags) {
  if (is_plan(flags.model))
    throw Error(ErrorCode::kInvalidArgument, "verify takes a model, got a plan", "",
                "give the ONNX file that the plan was built from");
  const Engine engine = open_engine(flags.model, flags.options, flags.json);
  const std::vector<Values> all = flags.inputs.make_all(engine);
  if (flags.against == "auto")
    flags.against = has_onnxruntime(flags.python) ? "onnxruntime" : "reference";
  Json out{{"against", flags.against}, {"tolerance", flags.tolerance}, {"runs", Json::array()}};
  if (!flags.json) std::printf("against %s\n", flags.against.c_str());
  bool good = true;
  for (const Values& inputs : all) good &= verify_once(flags, engine, inputs, out);
  out["same"] = good;
  if (flags.json)
    print_json(out);
  else
    std::printf("%s: differences relative to an output's largest value; allowed %.0e\n",
                good ? "same" : "DIFFERENT", flags.tolerance);
  return good ? 0 : 1;
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* verb =
      app.add_subcommand("verify", "compare a model's results with ONNX Runtime or the reference");
  verb->add_option("MODEL", flags->model, "the ONNX file")->required();
  verb->add_option("--against", flags->against,
                   "onnxruntime, reference, or auto: the first that is there [auto]")
      ->check(CLI::IsMember({"auto", "onnxruntime", "reference"}))
      ->type_name("WHAT");
  verb->add_option("--python", flags->python, "interpreter that has onnxruntime [python3]")
      ->type_name("PROGRAM");
  verb->add_option("--within", flags->tolerance,
                   "largest difference, relative to the output's largest value [1e-4]")
      ->check(CLI::NonNegativeNumber)
      ->type_name("NUMBER");
  flags->inputs.add(*verb);
  verb->add_flag("--json", flags->json, "print the result as JSON");
  flags->options.add(*verb, "any", true);
  verb->footer(
      "Examples:\n"
      "  planish verify model.onnx\n"
      "  planish verify model.onnx --against reference --shape x=4x3x224x224\n"
      "  planish verify model.onnx --shape x=1x3x64x64,1x3x96x128   (two sizes)\n"
      "Exit code 1 means that a result differs.");
  verb->callback([flags, &exit_code] { exit_code = run_verify(*flags); });
}

}  // namespace planish::cli
