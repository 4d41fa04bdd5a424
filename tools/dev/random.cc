// SPDX-License-Identifier: Apache-2.0
// planish_dev random: random valid models, engine against interpreter.
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "base/str.h"
#include "ir/text.h"
#include "passes/infer.h"
#include "random_check.h"
#include "random_generator.h"
#include "verbs.h"

namespace planish::dev {
namespace {

constexpr const char* kUsage =
    R"(usage: planish_dev random [OPTION...]
  --count N   models (default 200)
  --seed N    of the first one (default 1)
  --print     only print the models
  --whole     do not shrink what fails)";

struct Settings {
  uint64_t count = 200, seed = 1;
  bool print = false, whole = false;
};

Settings parse(const std::vector<std::string>& arguments) {
  Settings s;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    if (a == "--print")
      s.print = true;
    else if (a == "--whole")
      s.whole = true;
    else if ((a == "--count" || a == "--seed") && i + 1 < arguments.size())
      (a == "--count" ? s.count : s.seed) = std::stoull(arguments[++i]);
    else
      fail_usage(kUsage);
  }
  return s;
}

std::string sizes_text(const std::vector<Sizes>& sizes) {
  std::string out;
  for (const Sizes& run : sizes) {
    out += " {";
    for (const auto& [name, size] : run) out += concat(" ", name, "=", size);
    out += " }";
  }
  return out;
}

void report(const RandomModel& model, uint64_t seed, const CheckResult& result, bool whole) {
  std::printf("FAILED  seed %llu: %s: %s\n", static_cast<unsigned long long>(seed),
              result.kind.c_str(), result.detail.c_str());
  std::fflush(stdout);
  std::unique_ptr<ir::Graph> small;
  if (!whole) small = shrink(*model.graph, model.sizes, seed, result.kind);
  if (small != nullptr)
    std::printf("        shrunk: %s\n", check_apart(*small, model.sizes, seed).detail.c_str());
  std::printf("        sizes:%s\n%s", sizes_text(model.sizes).c_str(),
              ir::print(small != nullptr ? *small : *model.graph).c_str());
  std::fflush(stdout);
}

// Of all runs, those that were not compared are few, or the comparison says little.
constexpr uint64_t kMostPercentNotCompared = 10;

class Counts {
 public:
  void add(const RandomModel& model, const CheckResult& result) {
    runs_ += model.sizes.size();
    if (!result.kind.empty())
      ++kinds_[result.kind];
    else
      ++(result.not_compared.empty() ? passed_ : partly_);
    for (const std::string& why : result.not_compared) ++reasons_[why];
  }

  // Prints them; true if all is well.
  bool finish(const std::string& title) const {
    std::printf("%s: %d passed, %d not compared at every size", title.c_str(), passed_, partly_);
    for (const auto& [kind, n] : kinds_) std::printf(", %d %s", n, kind.c_str());
    std::printf("\n");
    uint64_t count = 0;
    for (const auto& [why, n] : reasons_) {
      std::printf("  %5llu of %llu runs not compared: %s\n", static_cast<unsigned long long>(n),
                  static_cast<unsigned long long>(runs_), why.c_str());
      count += n;
    }
    // A handful says nothing about the share.
    const bool is_much = count > 4 && 100 * count > kMostPercentNotCompared * runs_;
    if (is_much)
      std::printf("FAILED  more than %llu%% of the runs were not compared\n",
                  static_cast<unsigned long long>(kMostPercentNotCompared));
    return kinds_.empty() && !is_much;
  }

 private:
  int passed_ = 0, partly_ = 0;
  uint64_t runs_ = 0;
  std::map<std::string, int> kinds_;
  std::map<std::string, uint64_t> reasons_;
};

int run_random(const std::vector<std::string>& arguments) {
  const Settings settings = parse(arguments);
  Counts counts;
  size_t nodes = 0;
  for (uint64_t seed = settings.seed; seed < settings.seed + settings.count; ++seed) {
    const RandomModel model = random_model(seed);
    nodes += model.graph->total_node_count();
    if (settings.print) {
      std::printf("# seed %llu, sizes%s\n%s", static_cast<unsigned long long>(seed),
                  sizes_text(model.sizes).c_str(), ir::print(*model.graph).c_str());
      continue;
    }
    const CheckResult result = check_apart(*model.graph, model.sizes, seed);
    counts.add(model, result);
    if (!result.kind.empty()) report(model, seed, result, settings.whole);
  }
  if (settings.print) return 0;
  const bool is_good = counts.finish(concat(
      "seeds ", settings.seed, " to ", settings.seed + settings.count - 1, ", ", nodes, " nodes"));
  return is_good ? 0 : 1;
}

const RegisterVerb kRandom({"random", "random valid models, engine against interpreter",
                            run_random});

}  // namespace
}  // namespace planish::dev
