// SPDX-License-Identifier: Apache-2.0
// planish_dev suite: runs ONNX backend test folders and counts.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apart.h"
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
#include "suite_cases.h"
#include "verbs.h"

namespace planish::dev {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsage =
    R"(usage: planish_dev suite [OPTION...] FOLDER...
  --filter GLOB       only the cases of these names
  --every N           only every Nth case
  --engine            build, save, load and run; else the imported graph is interpreted
  --option NAME=VALUE an option of the build
  --vary constified   with all inputs but the first as initialisers
  --vary dynamised    with symbolic dims, and at twice the first length too
  --data VERSION      of ONNX, for waivers
  --total N           fails unless there are N cases
  --jobs N            cases at once
  --seconds N         that a case may take
  --rtol X, --atol X  how close outputs must be
  --list, --verbose)";

enum class Variation : uint8_t { kNone, kConstified, kDynamised };

struct Settings {
  std::string filter = "*", data;
  bool list = false, verbose = false, engine = false;
  Variation variation = Variation::kNone;
  size_t every = 1, jobs = 1;
  std::optional<size_t> total;
  unsigned seconds = 60;
  Closeness closeness;
  Options options;
  std::vector<std::string> folders;
};

enum class Verdict : char { kPassed = 'P', kFailed = 'F', kRefused = 'R', kWaived = 'W' };

struct Outcome {
  Verdict verdict = Verdict::kPassed;
  std::string reason;  // short, for counting
  std::string detail;
};

void set_build_option(Settings& s, const std::string& text) {
  const size_t cut = text.find('=');
  if (cut == std::string::npos) fail_usage("--option takes NAME=VALUE, got " + text);
  set_option(s.options, text.substr(0, cut), text.substr(cut + 1));
}

Variation variation_of(const std::string& text) {
  if (text == "constified") return Variation::kConstified;
  if (text == "dynamised") return Variation::kDynamised;
  fail_usage("--vary takes constified or dynamised, got " + text);
}

Settings parse(const std::vector<std::string>& arguments) {
  Settings s;
  s.options.level = 0;
  s.options.threads = 1;
  s.options.device = "cpu";
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    auto value = [&]() -> const std::string& {
      if (i + 1 >= arguments.size()) fail_usage(a + " needs a value");
      return arguments[++i];
    };
    if (a == "--filter")
      s.filter = value();
    else if (a == "--every")
      s.every = std::max<size_t>(1, std::stoul(value()));
    else if (a == "--jobs")
      s.jobs = std::max<size_t>(1, std::stoul(value()));
    else if (a == "--total")
      s.total = std::stoul(value());
    else if (a == "--data")
      s.data = value();
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
    else if (a == "--option")
      set_build_option(s, value());
    else if (a == "--vary")
      s.variation = variation_of(value());
    else if (a == "--verbose")
      s.verbose = true;
    else if (a.rfind("--", 0) == 0)
      fail_usage("there is no option " + a);
    else
      s.folders.push_back(a);
  }
  if (s.folders.empty()) fail_usage(kUsage);
  return s;
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

// A model, run by the interpreter or by an engine that went through a plan file.
class Runner {
 public:
  Runner(const Settings& settings, const std::string& model) {
    if (settings.engine)
      load(settings, model);
    else
      graph_ = onnx::import_bytes(std::as_bytes(std::span(model)));
  }

  std::vector<Datum> run(std::vector<Datum> inputs) {
    if (context_) return context_->run(inputs);
    RunBudget budget;
    return ref::interpret(*graph_, std::move(inputs), budget);
  }

 private:
  void load(const Settings& settings, const std::string& model) {
    const BuildRequest request{.options = settings.options};
    const fs::path plan = fs::temp_directory_path() / concat("planish-suite-", getpid(), ".plan");
    plan::save_plan(build_bytes(std::as_bytes(std::span(model)), request), plan);
    const auto engine = Engine::load(plan, {.threads = 1});
    context_ = engine->create_context();
    fs::remove(plan);
  }

  std::unique_ptr<ir::Graph> graph_;
  std::unique_ptr<Context> context_;
};

// What the interpreter gives for inputs of other sizes; nullopt if they do not fit the model.
std::optional<std::vector<Datum>> interpret(const std::string& model, std::vector<Datum> inputs) {
  try {
    const auto graph = onnx::import_bytes(std::as_bytes(std::span(model)));
    RunBudget budget;
    return ref::interpret(*graph, std::move(inputs), budget);
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The engine at other sizes: as the interpreter, or an error as there.
Outcome check_doubled(Runner& runner, const std::string& model, const std::vector<Datum>& inputs,
                      const Closeness& closeness) {
  const std::vector<Datum> larger = doubled(inputs);
  if (larger.empty()) return {};
  const auto expected = interpret(model, larger);
  std::optional<std::vector<Datum>> got;
  std::string error;
  try {
    got = runner.run(larger);
  } catch (const Error& e) {
    error = e.what();
  }
  if (expected && !got)
    return {Verdict::kFailed, "refuses other sizes", concat("at twice the length: ", error)};
  if (!expected && got)
    return {Verdict::kFailed, "takes wrong sizes",
            "at twice the length: the interpreter refuses what the engine takes"};
  if (!expected) return {};
  Outcome outcome = compare_outputs(*expected, *got, closeness);
  if (outcome.verdict != Verdict::kPassed)
    outcome.detail = "at twice the length: " + outcome.detail;
  return outcome;
}

Outcome run_data_set(const SuiteCase& c, const Settings& settings, const onnx::Signature& signature,
                     const fs::path& data) {
  std::vector<size_t> dropped;
  const std::string model = settings.variation == Variation::kConstified
                                ? constified(c, data, dropped)
                            : settings.variation == Variation::kDynamised ? dynamised(c)
                                                                          : file_text(c.model);
  std::vector<Datum> inputs = read_data(data, "input", signature.inputs);
  for (auto it = dropped.rbegin(); it != dropped.rend(); ++it)
    inputs.erase(inputs.begin() + static_cast<std::ptrdiff_t>(*it));
  Runner runner(settings, model);
  const Outcome outcome = compare_outputs(read_data(data, "output", signature.outputs),
                                          runner.run(inputs), settings.closeness);
  if (outcome.verdict != Verdict::kPassed || settings.variation != Variation::kDynamised)
    return outcome;
  return check_doubled(runner, model, inputs, settings.closeness);
}

Outcome run_model(const SuiteCase& c, const Settings& settings) {
  const onnx::Signature signature = onnx::read_signature(c.model.string());
  if (c.folder.empty()) {
    Runner runner(settings,
                  settings.variation == Variation::kDynamised ? dynamised(c) : file_text(c.model));
    return compare_outputs({onnx::read_datum(c.expected, signature.outputs.at(0).second)},
                           runner.run(made_up_inputs(signature)), settings.closeness);
  }
  for (int set = 0;; ++set) {
    const fs::path data = c.folder / concat("test_data_set_", set);
    if (!fs::exists(data))
      return set == 0 ? Outcome{Verdict::kFailed, "no data", "there is no test data"} : Outcome{};
    const Outcome outcome = run_data_set(c, settings, signature, data);
    if (outcome.verdict != Verdict::kPassed) return outcome;
  }
}

std::string last_clause(const std::string& text) {
  const size_t at = text.find("): ");
  const std::string first = at == std::string::npos ? text : text.substr(at + 3);
  return first.substr(0, first.find('\n'));
}

Outcome run_caught(const SuiteCase& c, const Settings& settings) {
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

// A case that runs in a process of its own.
class RunningCase {
 public:
  RunningCase(const SuiteCase& c, const Settings& settings)
      : case_(c),
        apart_([&] { return text_of(run_caught(c, settings)); },
               {.cpu_seconds = settings.seconds, .wall_seconds = 10 * settings.seconds}) {}

  const SuiteCase& test() const { return case_; }

  Outcome wait() const {
    const Apart::Ending ending = apart_.wait();
    if (!ending.fault.empty()) return {Verdict::kFailed, ending.fault, ending.detail};
    const size_t cut = ending.text.find('\0');
    if (cut == std::string::npos) return {Verdict::kFailed, "crash", "ended without a result"};
    return {static_cast<Verdict>(ending.text[0]), ending.text.substr(1, cut - 1),
            ending.text.substr(cut + 1)};
  }

 private:
  static std::string text_of(const Outcome& o) {
    return concat(static_cast<char>(o.verdict), o.reason, '\0', o.detail);
  }

  const SuiteCase& case_;
  Apart apart_;
};

Outcome apply_waivers(const SuiteCase& c, const Settings& settings, Outcome outcome) {
  const char* waiver = find_waiver(c.name, settings.data);
  if (waiver == nullptr) return outcome;
  if (outcome.verdict == Verdict::kPassed)
    return {Verdict::kFailed, "waiver", concat("passes, but is waived: ", waiver)};
  if (outcome.verdict == Verdict::kRefused || outcome.reason == "wrong output" ||
      outcome.reason == "invalid_shape")
    return {Verdict::kWaived, waiver, outcome.detail};
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

class Counts {
 public:
  void add(const SuiteCase& c, const Outcome& o, bool verbose) {
    ++count_[o.verdict];
    if (o.verdict != Verdict::kPassed) ++reasons_[o.verdict][o.reason];
    if (o.verdict == Verdict::kFailed)
      std::printf("FAILED  %s: %s\n", c.name.c_str(), o.detail.c_str());
    else if (o.verdict == Verdict::kRefused)
      std::printf("REFUSED %s: %s\n", c.name.c_str(), o.reason.c_str());
    else if (verbose)
      std::printf("%-7s %s%s%s\n", verdict_name(o.verdict), c.name.c_str(),
                  o.reason.empty() ? "" : ": ", o.reason.c_str());
    std::fflush(stdout);
  }

  // Prints them; true if all is well.
  bool finish() {
    int run = 0;
    for (const auto& [verdict, n] : count_) run += n;
    for (const auto& [verdict, rows] : reasons_) {
      std::vector<std::pair<int, std::string>> sorted;
      for (const auto& [reason, n] : rows) sorted.emplace_back(-n, reason);
      std::sort(sorted.begin(), sorted.end());
      std::printf("%s, by reason:\n", verdict_name(verdict));
      for (const auto& [n, reason] : sorted) std::printf("  %5d  %s\n", -n, reason.c_str());
    }
    std::printf("%d run: %d passed, %d failed, %d refused, %d waived\n", run,
                count_[Verdict::kPassed], count_[Verdict::kFailed], count_[Verdict::kRefused],
                count_[Verdict::kWaived]);
    return count_[Verdict::kFailed] == 0 && count_[Verdict::kRefused] == 0;
  }

 private:
  std::map<Verdict, std::map<std::string, int>> reasons_;
  std::map<Verdict, int> count_;
};

bool run_cases(const std::vector<SuiteCase>& cases, const Settings& settings) {
  Counts counts;
  std::deque<RunningCase> running;
  const auto finish_one = [&] {
    const SuiteCase& c = running.front().test();
    counts.add(c, apply_waivers(c, settings, running.front().wait()), settings.verbose);
    running.pop_front();
  };
  for (size_t i = 0; i < cases.size(); i += settings.every) {
    if (running.size() == settings.jobs) finish_one();
    running.emplace_back(cases[i], settings);
  }
  while (!running.empty()) finish_one();
  return counts.finish();
}

int run_suite(const std::vector<std::string>& arguments) {
  const Settings settings = parse(arguments);
  const std::vector<SuiteCase> cases = find_suite_cases(settings.folders, settings.filter);
  if (settings.list) {
    for (const SuiteCase& c : cases) std::printf("%s\n", c.name.c_str());
    return 0;
  }
  if (settings.total && *settings.total != cases.size()) {
    std::printf("expected %zu cases, found %zu\n", *settings.total, cases.size());
    return 1;
  }
  return run_cases(cases, settings) ? 0 : 1;
}

const RegisterVerb kSuite({"suite", "runs ONNX backend test folders: passed, failed, refused",
                           run_suite});

}  // namespace
}  // namespace planish::dev
