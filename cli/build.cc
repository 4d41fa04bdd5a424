// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "common.h"

namespace planish::cli {
namespace {

std::atomic<bool> interrupted{false};

struct BuildFlags {
  std::string model, output;
  bool json = false, quiet = false;
  OptionFlags options;
};

void draw_bar(const std::string& stage, double fraction, double seconds) {
  constexpr int kWidth = 30;
  const int full = static_cast<int>(fraction * kWidth);
  std::fprintf(stderr, "\r[%-*s] %5.1f s  %-22s", kWidth,
               std::string(static_cast<size_t>(full), '#').c_str(), seconds, stage.c_str());
  if (fraction >= 1) std::fprintf(stderr, "\n");
}

int run_build(const BuildFlags& flags) {
  std::signal(SIGINT, [](int) { interrupted = true; });
  const auto options = flags.options.make();
  const bool bar = !flags.json && !flags.quiet && isatty(STDERR_FILENO) != 0;
  options->progress([bar](const std::string& stage, double fraction, double seconds) {
    if (bar) draw_bar(stage, fraction, seconds);
    return !interrupted;
  });
  const auto start = std::chrono::steady_clock::now();
  const Engine engine = build(flags.model, *options);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  engine.save(flags.output);
  const auto description = nlohmann::json::parse(engine.describe());
  std::string before = "?", after = "?", steps = "?";
  for (const auto& record : description["report"]) {
    if (record["kind"] != "model") continue;
    before = record["fields"]["nodes_before"];
    after = record["fields"]["nodes_after"];
    steps = record["fields"]["steps"];
  }
  if (flags.json) {
    const nlohmann::ordered_json out{{"plan", flags.output},
                                     {"seconds", seconds},
                                     {"nodes_before", std::stoll(before)},
                                     {"nodes_after", std::stoll(after)},
                                     {"steps", std::stoll(steps)},
                                     {"weights", description["memory"]["weights"]}};
    std::printf("%s\n", out.dump(2).c_str());
  } else if (!flags.quiet) {
    std::printf("%s: %s nodes became %s in %.2f s; %s of weights\n", flags.output.c_str(),
                before.c_str(), after.c_str(), seconds,
                bytes_text(description["memory"]["weights"].get<double>()).c_str());
  }
  return 0;
}

}  // namespace

void add_build(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<BuildFlags>();
  CLI::App* verb = app.add_subcommand("build", "compile an ONNX model into a plan");
  verb->add_option("model", flags->model, "the ONNX file")->required();
  verb->add_option("-o,--output", flags->output, "the plan to write")->required();
  verb->add_flag("--json", flags->json, "print the result as JSON");
  verb->add_flag("-q,--quiet", flags->quiet, "print nothing but errors");
  flags->options.add(*verb, "build", true);
  verb->footer(
      "Examples:\n"
      "  planish build model.onnx -o model.plan\n"
      "  planish build model.onnx -o model.plan --shapes x=1x3x224x224:8x3x224x224:32x3x224x224");
  verb->callback([flags, &exit_code] { exit_code = run_build(*flags); });
}

}  // namespace planish::cli
