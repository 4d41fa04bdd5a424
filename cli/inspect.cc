// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>
#include <map>

#include "common.h"
#include "dtypes.h"
#include "files.h"
#include "inputs.h"
#include "measure.h"
#include "report.h"

namespace planish::cli {
namespace {

struct InspectFlags {
  std::string path, other, html;
  bool json = false, steps = false, dot = false, diff = false, no_run = false;
  InputFlags inputs;
  OptionFlags options;
};

std::string text_of(const Json& json) { return json.get<std::string>(); }

void print_ports(const char* title, const Json& ports) {
  size_t width = 8;
  for (const Json& port : ports) width = std::max(width, text_of(port["name"]).size());
  width = std::min<size_t>(width, 32);
  for (const Json& port : ports)
    print_line(title, padded(text_of(port["name"]), width) + "  " + text_of(port["type"]));
}

// What else could compute a step, and why a tactic does not: by node, a line each.
std::map<std::string, std::vector<std::string>> tactic_notes(const Json& report) {
  std::map<std::string, std::vector<std::string>> notes;
  for (const Json& record : report) {
    if (record["kind"] != "tactic") continue;
    std::vector<std::string>& lines = notes[text_of(record["subject"])];
    for (const auto& [field, value] : record["fields"].items()) {
      if (field == "rivals")
        lines.push_back("slower, by measurement or estimate: " + text_of(value));
      else if (field.rfind("refused ", 0) == 0)
        lines.push_back(field + ": " + text_of(value));
    }
  }
  return notes;
}

std::string titled(const Json& step) {
  const Json attributes = step.value("attributes", Json::object());
  const Json activation = attributes.value("activation", Json());
  return step_title(text_of(step["op"]), text_of(step["kernel"]),
                    activation.is_string() ? text_of(activation) : "");
}

void print_program(const Json& program, size_t number,
                   const std::map<std::string, std::vector<std::string>>& notes) {
  std::printf("\nprogram %zu%s: %zu steps\n", number, number == 0 ? " (the network)" : "",
              program["steps"].size());
  const Json& values = program["values"];
  const size_t columns = terminal_columns();
  for (size_t i = 0; i < program["steps"].size(); ++i) {
    const Json& s = program["steps"][i];
    const Json& outputs = s["outputs"];
    const bool has_type = !outputs.empty() && outputs[0].get<int>() >= 0;
    std::printf("%5zu  %s %s %s\n", i, padded(text_of(s["kernel"]), 16).c_str(),
                padded(titled(s), 22).c_str(),
                has_type ? text_of(values[outputs[0].get<size_t>()]["type"]).c_str() : "");
    std::printf("       %s\n", fitted(text_of(s["node"]), columns - 8).c_str());
    if (s.contains("tactic"))
      std::printf("       %s\n", fitted(text_of(s["tactic"]), columns - 8).c_str());
    if (const auto note = notes.find(text_of(s["node"])); note != notes.end())
      for (const std::string& line : note->second)
        std::printf("         %s\n", fitted(line, columns - 10).c_str());
  }
}

void print_memory(const Json& d) {
  print_line("weights", bytes_text(d["memory"]["weights"].get<double>()) + " in " +
                            std::to_string(d["constants"].size()) + " tensors");
  for (const Json& a : d["memory"]["arenas"]) {
    std::string text = bytes_text(a["bytes"].get<double>()) +
                       " for intermediate values, at least " +
                       bytes_text(a["lower_bound"].get<double>());
    if (!a["bounded"].get<bool>())
      text += " (at the least shapes: some dimension has no greatest value)";
    print_line("arena", text);
  }
}

void print_text(const Json& d, bool with_steps) {
  print_line("made by", "planish " + text_of(d["made_by"]) + " for " +
                            text_of(d["target"]["backend"]) + ", " + text_of(d["target"]["isa"]));
  print_ports("input", d["inputs"]);
  print_ports("output", d["outputs"]);
  for (const Json& s : d["symbols"]) {
    const auto max = s["max"].get<int64_t>();
    print_line("symbol", text_of(s["name"]) + ": " + std::to_string(s["min"].get<int64_t>()) +
                             " to " + (max == INT64_MAX ? "any" : std::to_string(max)));
  }
  for (const Json& p : d["profiles"])
    for (const auto& [input, range] : p["inputs"].items()) {
      std::string text = text_of(p["name"]) + ": " + input + " ";
      for (const char* key : {"min", "opt", "max"})
        text += dims_text(range[key].get<std::vector<int64_t>>()) + (key[1] == 'a' ? "" : " : ");
      print_line("profile", text);
    }
  for (const Json& r : d["report"]) {
    if (r["kind"] != "model") continue;
    print_line("nodes", text_of(r["fields"]["nodes_before"]) + " in the model, " +
                            text_of(r["fields"]["nodes_after"]) + " after the passes, " +
                            text_of(r["fields"]["steps"]) + " steps");
  }
  print_memory(d);
  std::map<std::string, int> kernels;
  for (const Json& s : d["programs"][0]["steps"]) ++kernels[text_of(s["kernel"])];
  std::string list;
  for (const auto& [name, count] : kernels)
    list += (list.empty() ? "" : ", ") + name + " x" + std::to_string(count);
  print_line("kernels", list);
  for (const auto& [key, value] : d["metadata"].items())
    print_line("meta", key + ": " + fitted(text_of(value), 200));
  print_line("rebuild", text_of(d["rebuild"]));
  if (with_steps)
    for (size_t i = 0; i < d["programs"].size(); ++i)
      print_program(d["programs"][i], i, tactic_notes(d["report"]));
}

// The graph before the optimiser: the model, imported and no more, or what the plan carries.
void add_before(const InspectFlags& flags, const Engine& engine, Report& report) {
  if (is_plan(flags.path)) {
    const char* text = nullptr;
    detail::check(planish_engine_graph(engine.handle(), &text));
    if (*text == '\0') return;
    report.before = Json::parse(text);
    report.before_is = "the canonical graph in the plan";
    return;
  }
  const auto options = flags.options.make();
  options->set("reference", "true");
  const Json described = Json::parse(build(flags.path, *options).describe());
  report.before = described["programs"][0];
  report.before_is = "the model";
}

void add_times(const InspectFlags& flags, const Engine& engine, Report& report) {
  try {
    const Values inputs = flags.inputs.make(engine, run_shapes(flags.path, flags.options));
    Context context = engine.create_context();
    report.times = measure_steps(context, inputs, 20, 2);
    report.layout = Json::parse(context.layout());
    for (const TensorInfo& info : engine.inputs()) {
      const Value& value = inputs.at(info.name);
      report.inputs.push_back(
          {{"name", info.name}, {"shape", value.is_tensor() ? dims_text(value.dims()) : "-"}});
    }
  } catch (const Error& e) {
    std::fprintf(stderr, "planish: the report has no times, since the run failed: %s\n", e.what());
    if (!e.hint().empty()) std::fprintf(stderr, "  hint: %s\n", e.hint().c_str());
  }
}

int write_html(const InspectFlags& flags, const Engine& engine, const Json& description) {
  Report report{.title = std::filesystem::path(flags.path).filename().string(),
                .path = flags.path,
                .engine = description,
                .before = {},
                .before_is = {},
                .times = {},
                .layout = {}};
  add_before(flags, engine, report);
  if (!flags.no_run) add_times(flags, engine, report);
  write_file(flags.html, html_page(report));
  if (flags.json)
    print_json({{"html", flags.html}, {"timed", report.times.has_value()}});
  else
    std::printf("%s: open it in a browser\n", flags.html.c_str());
  return 0;
}

int print_diff(const InspectFlags& flags, const Engine& engine) {
  const std::string text = engine.diff(open_engine(flags.other, flags.options, flags.json));
  if (flags.json) {
    Json lines = Json::array();
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      lines.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    print_json({{"same", text.empty()}, {"differences", lines}});
  } else {
    std::printf("%s\n", text.empty() ? "the plans are the same" : text.c_str());
  }
  return text.empty() ? 0 : 1;
}

int run_inspect(const InspectFlags& flags) {
  if (flags.diff == flags.other.empty())
    throw Error(
        ErrorCode::kInvalidArgument,
        flags.diff ? "--diff: expected two plans" : "\"" + flags.other + "\": expected one path",
        "", "planish inspect --diff A.plan B.plan");
  const Engine engine = open_engine(flags.path, flags.options, flags.json);
  if (flags.diff) return print_diff(flags, engine);
  const Json d = Json::parse(engine.describe());
  if (!flags.html.empty()) return write_html(flags, engine, d);
  if (flags.dot)
    std::fputs(dot_graph(d).c_str(), stdout);
  else if (flags.json)
    print_json(d);
  else
    print_text(d, flags.steps);
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* verb =
      app.add_subcommand("inspect", "show what a plan, or the plan of a model, is made of");
  verb->add_option("PATH", flags->path, "a plan, or an ONNX model, which is built first")
      ->required();
  verb->add_option("OTHER", flags->other, "with --diff: the plan to compare with");
  verb->add_flag("--steps", flags->steps, "list the steps with their kernels and tactics");
  verb->add_flag("--json", flags->json, "everything, as JSON");
  verb->add_flag("--dot", flags->dot, "the steps as a DOT graph, for Graphviz");
  verb->add_option("--html", flags->html,
                   "write a page for a browser: graphs before and after, steps with times and "
                   "tactics, memory, weights")
      ->type_name("FILE");
  verb->add_flag("--no-run", flags->no_run, "with --html: do not run the network to take times");
  verb->add_flag("--diff", flags->diff, "in what two plans differ; exit code 1 if in anything");
  flags->inputs.add(*verb);
  flags->options.add(*verb, "any", true);
  verb->footer(
      "Examples:\n"
      "  planish inspect model.plan --steps\n"
      "  planish inspect model.onnx --html report.html --shape x=1x3x640x640\n"
      "  planish inspect model.onnx --dot | dot -Tsvg > model.svg\n"
      "  planish inspect model.onnx --dot --reference     (before the optimiser)\n"
      "  planish inspect --diff yesterday.plan today.plan");
  verb->callback([flags, &exit_code] { exit_code = run_inspect(*flags); });
}

}  // namespace planish::cli
