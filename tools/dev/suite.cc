// SPDX-License-Identifier: Apache-2.0
// planish_dev suite: runs ONNX backend test folders and counts.
#include <fnmatch.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "backend/ref/compile/interpreter.h"
#include "base/str.h"
#include "compare.h"
#include "compiler/builder.h"
#include "import/onnx/datum.h"
#include "import/onnx/importer.h"
#include "plan/writer.h"
#include "planish/error.h"
#include "runtime/context.h"
#include "runtime/engine.h"
#include "verbs.h"

namespace planish::dev {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string name;
  fs::path model;
  fs::path folder;    // holds test_data_set_N; empty: inputs are made up
  fs::path expected;  // output_0.pb, where inputs are made up
};

struct Settings {
  std::string filter = "*";
  bool list = false, verbose = false;
  bool engine = false;     // build, save, load and run; else interpret the imported graph
  bool reference = false;  // an engine of portable kernels
  unsigned seconds = 60;
  Closeness closeness;
  std::vector<std::string> folders;
};

enum class Verdict : char { kPassed = 'P', kFailed = 'F', kRefused = 'R', kWaived = 'W' };

// Cases whose wrong outputs are right, with the reason. One that passes all the same has failed.
struct Waiver {
  const char* pattern;
  const char* reason;
};
constexpr Waiver kWaivers[] = {
    {"test_bernoulli*", "the draws of a generator that ONNX does not define"},
};

struct Outcome {
  Verdict verdict = Verdict::kPassed;
  std::string reason;  // short, for counting
  std::string detail;
};

Settings parse(const std::vector<std::string>& arguments) {
  Settings s;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    auto value = [&]() -> const std::string& {
      if (i + 1 >= arguments.size()) fail_usage(a + " needs a value");
      return arguments[++i];
    };
    if (a == "--filter")
      s.filter = value();
    else if (a == "--seconds")
      s.seconds = static_cast<unsigned>(std::stoul(value()));
    else if (a == "--rtol")
      s.closeness.relative = std::stod(value());
    else if (a == "--atol")
      s.closeness.absolute = std::stod(value());
    else if (a == "--list")
      s.list = true;
    else if (a == "--engine")
      s.engine = true;
    else if (a == "--reference")
      s.engine = s.reference = true;
    else if (a == "--verbose")
      s.verbose = true;
    else if (a.rfind("--", 0) == 0)
      fail_usage("there is no option " + a);
    else
      s.folders.push_back(a);
  }
  if (s.folders.empty())
    fail_usage(
        "usage: planish_dev suite [--filter GLOB] [--engine | --reference] [--list] [--verbose] "
        "[--seconds N] [--rtol X] "
        "[--atol X] DIR...");
  return s;
}

void add_light(const fs::path& model, std::vector<Case>& cases) {
  const std::string stem = model.stem();
  const fs::path expected = model.parent_path() / (stem + "_output_0.pb");
  if (fs::exists(expected)) cases.push_back({"test_" + stem.substr(6), model, {}, expected});
}

std::vector<Case> find_cases(const Settings& settings) {
  std::vector<Case> cases;
  for (const std::string& folder : settings.folders) {
    if (fs::exists(fs::path(folder) / "model.onnx"))
      cases.push_back({fs::path(folder).filename(), fs::path(folder) / "model.onnx", folder, {}});
    else
      for (const auto& entry : fs::directory_iterator(folder)) {
        const fs::path& path = entry.path();
        if (fs::exists(path / "model.onnx"))
          cases.push_back({path.filename(), path / "model.onnx", path, {}});
        else if (path.extension() == ".onnx" && path.filename().string().rfind("light_", 0) == 0)
          add_light(path, cases);
      }
  }
  std::erase_if(cases, [&](const Case& c) {
    return fnmatch(settings.filter.c_str(), c.name.c_str(), 0) != 0;
  });
  std::sort(cases.begin(), cases.end(),
            [](const Case& a, const Case& b) { return a.name < b.name; });
  return cases;
}

std::vector<Datum> read_data(const fs::path& folder, const char* stem,
                             const std::vector<std::pair<std::string, Type>>& values) {
  std::vector<Datum> out;
  for (size_t i = 0;; ++i) {
    const fs::path path = folder / concat(stem, "_", i, ".pb");
    if (!fs::exists(path)) return out;
    out.push_back(onnx::read_datum(path, i < values.size() ? values[i].second : Type{}));
  }
}

// What ONNX's own runner feeds the models that come without inputs: 0, 1, 2, ... divided by their
// number.
std::vector<Datum> make_inputs(const onnx::Signature& signature) {
  std::vector<Datum> out;
  for (const auto& [name, type] : signature.inputs) {
    const auto dims = type.shape ? constant_dims(*type.shape) : std::nullopt;
    if (type.dtype != DType::kF32 || !dims)
      throw Error(ErrorCode::kUnsupported, concat("inputs like ", name, " are not made up"));
    Tensor t(DType::kF32, *dims);
    for (int64_t i = 0; i < t.count(); ++i)
      t.as<float>()[i] = static_cast<float>(i) / static_cast<float>(t.count());
    out.emplace_back(std::move(t));
  }
  return out;
}

Outcome compare_outputs(const std::vector<Datum>& expected, const std::vector<Datum>& got,
                        const Closeness& closeness) {
  if (expected.size() > got.size())
    return {Verdict::kFailed, "number of outputs",
            concat("expected ", expected.size(), " outputs, got ", got.size())};
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string found = difference(expected[i], got[i], closeness);
    if (!found.empty())
      return {Verdict::kFailed, "wrong output", concat("output ", i, ": ", found)};
  }
  return {};
}

// Runs one model, by the interpreter or by an engine that went through a plan file.
class Runner {
 public:
  Runner(const Case& c, const Settings& settings) {
    if (settings.engine)
      load(c, settings);
    else
      graph_ = onnx::import_file(c.model);
  }

  std::vector<Datum> run(std::vector<Datum> inputs) {
    if (context_) return context_->run(inputs);
    RunBudget budget;
    return ref::interpret(*graph_, std::move(inputs), budget);
  }

 private:
  void load(const Case& c, const Settings& settings) {
    BuildRequest request;
    request.options.level = 0;
    request.options.threads = 1;
    request.options.reference = settings.reference;
    const fs::path plan = fs::temp_directory_path() / concat("planish-suite-", getpid(), ".plan");
    plan::save_plan(build_file(c.model, request), plan);
    const auto engine = Engine::load(plan, {.threads = 1});
    context_ = engine->create_context();
    fs::remove(plan);
  }

  std::unique_ptr<ir::Graph> graph_;
  std::unique_ptr<Context> context_;
};

Outcome run_model(const Case& c, const Settings& settings) {
  const onnx::Signature signature = onnx::read_signature(c.model.string());
  Runner runner(c, settings);
  if (c.folder.empty())
    return compare_outputs({onnx::read_datum(c.expected, signature.outputs.at(0).second)},
                           runner.run(make_inputs(signature)), settings.closeness);
  for (int set = 0;; ++set) {
    const fs::path data = c.folder / concat("test_data_set_", set);
    if (!fs::exists(data))
      return set == 0 ? Outcome{Verdict::kFailed, "no data", "there is no test data"} : Outcome{};
    const auto got = runner.run(read_data(data, "input", signature.inputs));
    const Outcome outcome =
        compare_outputs(read_data(data, "output", signature.outputs), got, settings.closeness);
    if (outcome.verdict != Verdict::kPassed) return outcome;
  }
}

std::string last_clause(const std::string& text) {
  const size_t at = text.find("): ");
  const std::string first = at == std::string::npos ? text : text.substr(at + 3);
  return first.substr(0, first.find('\n'));
}

Outcome run_caught(const Case& c, const Settings& settings) {
  try {
    return run_model(c, settings);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kUnsupported)
      return {Verdict::kRefused, last_clause(e.what()), e.what()};
    return {Verdict::kFailed, e.code_name(), concat(e.code_name(), ": ", e.what())};
  } catch (const std::exception& e) {
    return {Verdict::kFailed, "exception", e.what()};
  }
}

// In a process of its own, so that a crash or a hang is one failure.
Outcome run_apart(const Case& c, const Settings& settings) {
  int ends[2];
  if (pipe(ends) != 0) throw Error(ErrorCode::kInternal, std::strerror(errno));
  const pid_t child = fork();
  if (child < 0) throw Error(ErrorCode::kInternal, std::strerror(errno));
  if (child == 0) {
    close(ends[0]);
    alarm(settings.seconds);
    const Outcome o = run_caught(c, settings);
    const std::string text = concat(static_cast<char>(o.verdict), o.reason, '\0', o.detail);
    for (size_t done = 0; done < text.size();) {
      const ssize_t n = write(ends[1], text.data() + done, text.size() - done);
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    return {Verdict::kFailed, "time", concat("still running after ", settings.seconds, " s")};
  if (WIFSIGNALED(status))
    return {Verdict::kFailed, "crash", concat("crashed: ", strsignal(WTERMSIG(status)))};
  const size_t cut = text.find('\0');
  if (cut == std::string::npos) return {Verdict::kFailed, "crash", "ended without a result"};
  return {static_cast<Verdict>(text[0]), text.substr(1, cut - 1), text.substr(cut + 1)};
}

Outcome apply_waivers(const Case& c, Outcome outcome) {
  for (const Waiver& waiver : kWaivers) {
    if (fnmatch(waiver.pattern, c.name.c_str(), 0) != 0) continue;
    if (outcome.verdict == Verdict::kPassed)
      return {Verdict::kFailed, "waiver", concat("passes, but is waived: ", waiver.reason)};
    if (outcome.verdict == Verdict::kFailed && outcome.reason == "wrong output")
      return {Verdict::kWaived, waiver.reason, outcome.detail};
  }
  return outcome;
}

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPassed: return "passed";
    case Verdict::kFailed: return "failed";
    case Verdict::kRefused: return "refused";
    case Verdict::kWaived: return "waived";
  }
  return "";
}

int run_suite(const std::vector<std::string>& arguments) {
  const Settings settings = parse(arguments);
  const std::vector<Case> cases = find_cases(settings);
  std::map<Verdict, std::map<std::string, int>> reasons;
  std::map<Verdict, int> count;
  for (const Case& c : cases) {
    if (settings.list) {
      std::printf("%s\n", c.name.c_str());
      continue;
    }
    const Outcome o = apply_waivers(c, run_apart(c, settings));
    ++count[o.verdict];
    if (o.verdict != Verdict::kPassed) ++reasons[o.verdict][o.reason];
    if (o.verdict == Verdict::kFailed)
      std::printf("FAILED  %s: %s\n", c.name.c_str(), o.detail.c_str());
    else if (settings.verbose)
      std::printf("%-7s %s%s%s\n", verdict_name(o.verdict), c.name.c_str(),
                  o.reason.empty() ? "" : ": ", o.reason.c_str());
    std::fflush(stdout);
  }
  if (settings.list) return 0;
  for (const auto& [verdict, rows] : reasons) {
    std::vector<std::pair<int, std::string>> sorted;
    for (const auto& [reason, n] : rows) sorted.emplace_back(-n, reason);
    std::sort(sorted.begin(), sorted.end());
    std::printf("%s, by reason:\n", verdict_name(verdict));
    for (const auto& [n, reason] : sorted) std::printf("  %5d  %s\n", -n, reason.c_str());
  }
  std::printf("%zu run: %d passed, %d failed, %d refused, %d waived\n", cases.size(),
              count[Verdict::kPassed], count[Verdict::kFailed], count[Verdict::kRefused],
              count[Verdict::kWaived]);
  return count[Verdict::kFailed] == 0 ? 0 : 1;
}

const RegisterVerb kSuite({"suite", "runs ONNX backend test folders: passed, failed, refused",
                           run_suite});

}  // namespace
}  // namespace planish::dev
