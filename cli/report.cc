// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <set>

#include "embed/report_files.h"

namespace planish::cli {
namespace {

constexpr size_t kMaxText = 2000;
constexpr size_t kMaxList = 64;

// Long texts and lists say little and take much.
void shorten_attributes(Json& program) {
  for (Json& step : program["steps"]) {
    if (!step.contains("attributes")) continue;
    for (auto& [name, value] : step["attributes"].items()) {
      if (value.is_string() && value.get_ref<const std::string&>().size() > kMaxText)
        value = value.get<std::string>().substr(0, kMaxText) + "...";
      if (value.is_array() && value.size() > kMaxList)
        value = std::to_string(value.size()) + " elements";
    }
  }
}

// JSON inside a script element: no '<' may end it.
std::string for_script(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

std::string for_html(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      default: out += c;
    }
  }
  return out;
}

// The page with {{NAME}} replaced; what is put in is not looked at again.
std::string fill(std::string_view page, const std::map<std::string, std::string>& parts) {
  std::string out;
  while (!page.empty()) {
    const size_t open = page.find("{{");
    out += page.substr(0, open);
    if (open == std::string_view::npos) break;
    const size_t close = page.find("}}", open);
    out += parts.at(std::string(page.substr(open + 2, close - open - 2)));
    page.remove_prefix(close + 2);
  }
  return out;
}

std::string dot_text(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
  }
  return out + "\"";
}

}  // namespace

std::string html_page(const Report& report) {
  Json data = report.engine;
  data["title"] = report.title;
  data["path"] = report.path;
  for (Json& program : data["programs"]) shorten_attributes(program);
  data["before"] = nullptr;
  if (report.before) {
    data["before"] = {{"what", report.before_is}, {"program", *report.before}};
    shorten_attributes(data["before"]["program"]);
  }
  data["measured"] = nullptr;
  if (report.times) {
    data["measured"] = {{"runs", report.times->runs}, {"inputs", report.inputs}};
    data["measured"]["steps"] = Json::array();
    for (const StepTime& s : report.times->steps)
      data["measured"]["steps"].push_back(
          {{"program", s.program}, {"step", s.step}, {"seconds", s.seconds}, {"calls", s.calls}});
  }
  data["layout"] = report.layout ? *report.layout : Json();
  using namespace embed;  // NOLINT(google-build-using-namespace): names made from file names
  return fill(page_html, {{"TITLE", for_html(report.title)},
                          {"STYLE", std::string(style_css)},
                          {"DATA", for_script(data)},
                          {"SCRIPT", std::string(layout_js) + std::string(graph_js) +
                                         std::string(report_js)}});
}

std::string dot_graph(const Json& engine) {
  const Json& program = engine["programs"][0];
  const Json& values = program["values"];
  std::string out =
      "digraph planish {\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n";
  std::map<int, std::string> makers;
  const auto node = [&](const std::string& id, const std::string& label, const char* more) {
    out += "  " + id + " [label=" + dot_text(label) + more + "];\n";
  };
  const auto edge = [&](int v, const std::string& to) {
    const auto maker = makers.find(v);
    if (maker != makers.end())
      out += "  " + maker->second + " -> " + to +
             " [label=" + dot_text(values[static_cast<size_t>(v)]["type"].get<std::string>()) +
             "];\n";
  };
  size_t number = 0;
  for (const Json& v : program["inputs"]) {
    const std::string id = "in" + std::to_string(number++);
    node(id, values[v.get<size_t>()]["name"], ", shape=ellipse");
    makers[v] = id;
  }
  number = 0;
  for (const Json& step : program["steps"]) {
    const std::string id = "s" + std::to_string(number++);
    const auto op = step["op"].get<std::string>(), kernel = step["kernel"].get<std::string>();
    node(id, step_title(op, kernel) + " (" + kernel + ")  " + step["node"].get<std::string>(), "");
    std::set<int> seen;
    for (const Json& v : step["inputs"])
      if (seen.insert(v.get<int>()).second) edge(v, id);
    for (const Json& v : step["outputs"])
      if (v.get<int>() >= 0) makers[v] = id;
  }
  for (size_t i = 0; i < program["outputs"].size(); ++i) {
    const std::string id = "out" + std::to_string(i);
    node(id, engine["outputs"][i]["name"], ", shape=ellipse");
    edge(program["outputs"][i], id);
  }
  return out + "}\n";
}

}  // namespace planish::cli
