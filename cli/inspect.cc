// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "common.h"
#include "dtypes.h"
#include "files.h"
#include "inputs.h"
#include "npy.h"

namespace planish::cli {
namespace {

struct InspectFlags {
  std::string path;
  bool json = false, steps = false;
  OptionFlags options;
};

void print_ports(const char* title, const Json& ports) {
  for (const Json& port : ports)
    std::printf("%-8s %-24s %s\n", title, port["name"].get<std::string>().c_str(),
                port["type"].get<std::string>().c_str());
}

void print_program(const Json& program, size_t number) {
  std::printf("\nprogram %zu: %zu steps\n", number, program["steps"].size());
  const Json& values = program["values"];
  auto type = [&](const Json& id) {
    return id.get<int>() < 0 ? std::string("-")
                             : values[id.get<size_t>()]["type"].get<std::string>();
  };
  for (size_t i = 0; i < program["steps"].size(); ++i) {
    const Json& s = program["steps"][i];
    std::printf("%5zu  %-16s %-22s %s\n", i, s["kernel"].get<std::string>().c_str(),
                s["op"].get<std::string>().c_str(),
                s["outputs"].empty() ? "" : type(s["outputs"][0]).c_str());
    std::printf("       %s%s%s\n", s["node"].get<std::string>().c_str(),
                s.contains("tactic") ? "  | " : "",
                s.contains("tactic") ? s["tactic"].get<std::string>().c_str() : "");
  }
}

int run_inspect(const InspectFlags& flags) {
  const Engine engine = open_engine(flags.path, flags.options, flags.json);
  const std::string text = engine.describe();
  const Json d = Json::parse(text);
  if (flags.json) {
    std::printf("%s\n", d.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return 0;
  }
  std::printf("made by  planish %s for %s, %s\n", d["made_by"].get<std::string>().c_str(),
              d["target"]["backend"].get<std::string>().c_str(),
              d["target"]["isa"].get<std::string>().c_str());
  print_ports("input", d["inputs"]);
  print_ports("output", d["outputs"]);
  for (const Json& s : d["symbols"]) {
    const auto max = s["max"].get<int64_t>();
    std::printf("symbol   %-24s %lld to %s\n", s["name"].get<std::string>().c_str(),
                static_cast<long long>(s["min"].get<int64_t>()),
                max == INT64_MAX ? "any" : std::to_string(max).c_str());
  }
  for (const Json& r : d["report"]) {
    if (r["kind"] != "model") continue;
    std::printf("nodes    %s in the model, %s after the passes, %s steps\n",
                r["fields"]["nodes_before"].get<std::string>().c_str(),
                r["fields"]["nodes_after"].get<std::string>().c_str(),
                r["fields"]["steps"].get<std::string>().c_str());
  }
  std::printf("weights  %s\n", bytes_text(d["memory"]["weights"].get<double>()).c_str());
  for (const Json& a : d["memory"]["arenas"])
    std::printf("arena    %s, lower bound %s%s\n", bytes_text(a["bytes"].get<double>()).c_str(),
                bytes_text(a["lower_bound"].get<double>()).c_str(),
                a["bounded"].get<bool>()
                    ? ""
                    : " (at the least shapes: some dimension has no greatest value)");
  std::map<std::string, int> kernels;
  for (const Json& s : d["programs"][0]["steps"]) ++kernels[s["kernel"].get<std::string>()];
  std::printf("kernels ");
  for (const auto& [name, count] : kernels) std::printf(" %s x%d", name.c_str(), count);
  std::printf("\n");
  for (const auto& [key, value] : d["metadata"].items())
    std::printf("meta     %-24s %.60s\n", key.c_str(), value.get<std::string>().c_str());
  if (flags.steps)
    for (size_t i = 0; i < d["programs"].size(); ++i) print_program(d["programs"][i], i);
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* verb =
      app.add_subcommand("inspect", "show what a plan, or the plan of a model, is made of");
  verb->add_option("path", flags->path, "a plan, or an ONNX model, which is built first")
      ->required();
  verb->add_flag("--steps", flags->steps, "list the steps with their kernels and tactics");
  verb->add_flag("--json", flags->json, "everything, as JSON");
  flags->options.add(*verb, "any", true);
  verb->footer(
      "Examples:\n  planish inspect model.plan --steps\n  planish inspect model.onnx --json");
  verb->callback([flags, &exit_code] { exit_code = run_inspect(*flags); });
}

}  // namespace planish::cli
