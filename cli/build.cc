// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>

#include "common.h"

namespace planish::cli {
namespace {

struct BuildFlags {
  std::string model, output;
  bool json = false, quiet = false, verbose = false;
  OptionFlags options;
};

int run_build(const BuildFlags& flags) {
  if (is_plan(flags.model))
    throw Error(ErrorCode::kInvalidArgument, "\"" + flags.model + "\" is a plan already", "",
                "give the ONNX model; a plan is run with planish run");
  const auto options = flags.options.make();
  if (flags.verbose) {
    constexpr int kInfo = 2;
    planish_set_log(
        kInfo, [](int, const char* message, void*) { std::fprintf(stderr, "%s\n", message); },
        nullptr);
  }
  BuildProgress progress(flags.json || flags.quiet || flags.verbose);
  progress.attach(*options);
  const auto start = std::chrono::steady_clock::now();
  const Engine engine = build(flags.model, *options);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  engine.save(flags.output);
  progress.finish();
  const Json summary = summary_of(engine);
  Json out{{"plan", flags.output}, {"seconds", seconds}};
  for (const auto& record : summary["report"]) {
    if (record["kind"] != "model") continue;
    for (const char* field : {"nodes_before", "nodes_after", "steps"})
      out[field] = std::stoll(record["fields"][field].get<std::string>());
  }
  out["weights"] = summary["weights"];
  if (flags.json) {
    print_json(out);
  } else if (!flags.quiet) {
    std::printf("%s\n  built in %s: %lld nodes became %lld, run as %lld steps; weights %s\n",
                flags.output.c_str(), seconds_text(seconds).c_str(),
                out["nodes_before"].get<long long>(), out["nodes_after"].get<long long>(),
                out["steps"].get<long long>(), bytes_text(out["weights"].get<double>()).c_str());
  }
  return 0;
}

}  // namespace

void add_build(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<BuildFlags>();
  CLI::App* verb = app.add_subcommand("build", "compile an ONNX model into a plan");
  verb->add_option("MODEL", flags->model, "the ONNX file")->required();
  verb->add_option("-o,--output", flags->output, "the plan to write")
      ->required()
      ->type_name("PLAN");
  verb->add_flag("--json", flags->json, "print the result as JSON");
  verb->add_flag("-q,--quiet", flags->quiet, "print nothing but errors");
  verb->add_flag(
      "-v,--verbose", flags->verbose,
      "say what is measured: each problem's tactics, their time relative to the best, and "
      "why others refuse");
  flags->options.add(*verb, "build", true);
  verb->footer(
      "Examples:\n"
      "  planish build model.onnx -o model.plan\n"
      "  planish build model.onnx -o model.plan --shapes x=1x3x224x224\n"
      "  planish build model.onnx -o model.plan \\\n"
      "      --shapes x=1x3x224x224:8x3x224x224:32x3x224x224 --threads 4\n"
      "  planish build model.onnx -o model.plan --embed-graph --json\n"
      "Ctrl-C leaves no half-written plan.");
  verb->callback([flags, &exit_code] { exit_code = run_build(*flags); });
}

}  // namespace planish::cli
