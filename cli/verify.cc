// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "common.h"
#include "compare.h"
#include "files.h"
#include "inputs.h"
#include "layers.h"
#include "npy.h"

namespace planish::cli {
namespace {

namespace fs = std::filesystem;

struct VerifyFlags {
  std::string model, against = "auto", python = usual_python();
  InputFlags inputs;
  double tolerance = 1e-4;
  bool json = false, per_layer = false;
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

// ONNX Runtime lives in Python: the inputs of all runs go to a folder, the outputs come back from
// it. A map is the files of its keys and values.
constexpr const char* kScript = R"py(
import json, sys, numpy, onnxruntime
folder = sys.argv[2]
job = json.load(open(folder + "/job.json"))
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
kinds = {i.name: i.type for i in session.get_inputs() + session.get_outputs()}
numbers = {"float": "f4", "double": "f8", "int64": "i8", "string": object}
count = 0

def load(files, kind):
    if files is None:
        return None
    if isinstance(files, list):
        return [load(f, kind) for f in files]
    array = numpy.load(files)
    return array.astype(object) if "string" in kind else array

def save(value, kind):
    global count
    if value is None:
        return None
    if isinstance(value, dict):
        key, _, inner = kind[kind.index("map(") + 4 :].partition(",")
        inner = inner[inner.index("tensor(") + 7 :].partition(")")[0]
        value = sorted(value.items())
        keys = numpy.array([k for k, _ in value], numbers[key])
        values = numpy.array([v for _, v in value], numbers[inner])
        return {"keys": save(keys, ""), "values": save(values, "")}
    if isinstance(value, list):
        return [save(v, kind) for v in value]
    value = numpy.asarray(value)
    count += 1
    file = folder + "/out%d.npy" % count
    numpy.save(file, value.astype(str) if value.dtype == object else value)
    return file

made = []
for run in job["runs"]:
    feed = {n: load(f, kinds.get(n, "")) for n, f in run.items()}
    try:
        results = zip(job["outputs"], session.run(job["outputs"], feed))
    except Exception as e:
        sys.exit("onnxruntime: " + str(e))
    made.append({n: save(v, kinds.get(n, "")) for n, v in results})
json.dump(made, open(folder + "/made.json", "w"))
)py";

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

Answer read_tensor(const Json& file, int dtype) {
  const auto path = file.get<std::string>();
  return parse_npy(read_file(path), path, dtype);
}

Answer read_answer(const Json& files, int dtype) {
  Answer out;
  if (files.is_null()) return out;
  if (files.is_string()) return read_tensor(files, dtype);
  if (files.is_object()) {
    out.kind = Answer::Kind::kMap;
    for (const char* part : {"keys", "values"}) out.parts.push_back(read_tensor(files[part], 0));
    return out;
  }
  out.kind = Answer::Kind::kSequence;
  for (const Json& item : files) out.parts.push_back(read_answer(item, dtype));
  return out;
}

// Who the model's results are compared with.
class Oracle {
 public:
  virtual ~Oracle() = default;
  // By output; `run` counts the sets of inputs.
  virtual std::map<std::string, Answer> answers(size_t run, const Values& inputs) = 0;
};

class OnnxRuntime : public Oracle {
 public:
  OnnxRuntime(const VerifyFlags& flags, const Engine& engine, const std::vector<Values>& all)
      : outputs_(engine.outputs()) {
    Json job{{"runs", Json::array()}, {"outputs", Json::array()}};
    int number = 0;
    for (const Values& inputs : all) {
      Json run = Json::object();
      for (const auto& [name, value] : inputs)
        run[name] = write_value(folder_.path(), number, value);
      job["runs"].push_back(run);
    }
    for (const TensorInfo& info : outputs_) job["outputs"].push_back(info.name);
    write_file((folder_.path() / "job.json").string(), job.dump());
    write_file((folder_.path() / "run.py").string(), kScript);
    const std::string command =
        shell_quoted(flags.python) + " " + shell_quoted((folder_.path() / "run.py").string()) +
        " " + shell_quoted(flags.model) + " " + shell_quoted(folder_.path().string());
    if (std::system(command.c_str()) != 0)
      throw Error(ErrorCode::kUnsupported, "ONNX Runtime could not run the model", "",
                  "see its message above; if the shapes do not suit the model, give --shape; or "
                  "use --against reference");
    made_ = Json::parse(read_file((folder_.path() / "made.json").string()));
  }
  std::map<std::string, Answer> answers(size_t run, const Values&) override {
    std::map<std::string, Answer> out;
    for (const TensorInfo& info : outputs_)
      out[info.name] = read_answer(made_.at(run).at(info.name), info.dtype);
    return out;
  }

 private:
  TemporaryFolder folder_;
  std::vector<TensorInfo> outputs_;
  Json made_;
};

// The interpreter computes on the CPU, at the model's own precision.
Engine build_reference(const VerifyFlags& flags) {
  const auto options = flags.options.make();
  options->set("reference", "true");
  options->set("device", "cpu");
  options->set("precision", "fp32");
  return build(flags.model, *options);
}

class Reference : public Oracle {
 public:
  explicit Reference(const Engine& engine) : engine_(engine) {}
  std::map<std::string, Answer> answers(size_t, const Values& inputs) override {
    const auto outputs = engine_.create_context().run(inputs);
    return {outputs.begin(), outputs.end()};
  }

 private:
  const Engine& engine_;
};

void print_row(const std::string& name, const Value& value, const Difference& d, bool is_same) {
  const size_t width = terminal_columns() > 80 ? terminal_columns() - 52 : 28;
  char error[32];
  std::snprintf(error, sizeof(error), "%.1e", d.relative);
  std::printf("%s %s %s %s\n", padded(name, width).c_str(), padded(kind_text(value), 26).c_str(),
              padded(d.reason.empty() ? error : "-", 10).c_str(), is_same ? "same" : "DIFFERS");
  if (!is_same) print_line("", d.text(), 4);
}

// Compares one set of inputs; false if an output differs.
bool verify_once(const VerifyFlags& flags, const Engine& engine, const Values& inputs,
                 const std::map<std::string, Answer>& theirs, Json& out) {
  const auto ours = engine.create_context().run(inputs);
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
    const Difference d = compare(value, theirs.at(info.name));
    const bool is_same = d.is_within(flags.tolerance);
    good &= is_same;
    Json row{{"name", info.name}, {"value", kind_text(value)}, {"same", is_same}};
    put_difference(d, row);
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
  std::unique_ptr<Oracle> oracle;
  std::optional<Engine> reference;
  if (flags.against == "reference" || flags.per_layer) reference = build_reference(flags);
  if (flags.against == "onnxruntime")
    oracle = std::make_unique<OnnxRuntime>(flags, engine, all);
  else
    oracle = std::make_unique<Reference>(*reference);
  for (size_t i = 0; i < all.size(); ++i) {
    good &= verify_once(flags, engine, all[i], oracle->answers(i, all[i]), out);
    if (!flags.per_layer) continue;
    const Layers layers = compare_layers(engine, *reference, all[i], flags.tolerance);
    good &= !layers.first;
    out["runs"].back()["layers"] = layers_json(layers);
    if (!flags.json) print_layers(layers);
  }
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
  verb->add_option("--python", flags->python,
                   "interpreter that has onnxruntime [the one beside planish, else python3]")
      ->type_name("PROGRAM");
  verb->add_option("--within", flags->tolerance,
                   "largest difference of floating-point numbers, relative to the output's "
                   "largest value [1e-4]; all else must be the same")
      ->check(CLI::NonNegativeNumber)
      ->type_name("NUMBER");
  verb->add_flag("--per-layer", flags->per_layer,
                 "compare what every step makes with the reference's value of that name, and name "
                 "the first that differs");
  flags->inputs.add(*verb);
  verb->add_flag("--json", flags->json, "print the result as JSON");
  flags->options.add(*verb, "any", true);
  verb->footer(
      "Examples:\n"
      "  planish verify model.onnx\n"
      "  planish verify model.onnx --against reference --shape x=4x3x224x224\n"
      "  planish verify model.onnx --shape x=1x3x64x64,1x3x96x128   (two sizes)\n"
      "  planish verify model.onnx --device cuda --precision fp16 --per-layer\n"
      "      (the first step that leaves the tolerance, or overflows)\n"
      "Exit code 1 means that a result differs: an output, with --per-layer a step's.");
  verb->callback([flags, &exit_code] { exit_code = run_verify(*flags); });
}

}  // namespace planish::cli
