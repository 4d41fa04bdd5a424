// SPDX-License-Identifier: Apache-2.0
#include "plan/diff.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "base/str.h"
#include "plan/writer.h"

namespace planish::plan {
namespace {

std::string size_text(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string attribute_text(const Attribute* a) {
  if (a == nullptr) return "none";
  if (const auto* v = std::get_if<int64_t>(a)) return concat(*v);
  if (const auto* v = std::get_if<double>(a)) return concat(*v);
  if (const auto* v = std::get_if<std::string>(a)) return concat('"', v->substr(0, 60), '"');
  if (const auto* v = std::get_if<std::vector<int64_t>>(a); v != nullptr && v->size() <= 8)
    return concat('[', join(*v), ']');
  if (const auto* v = std::get_if<Type>(a)) return v->to_string();
  return concat("other ", attribute_kind_name(*a));
}

bool same_constant(const Constant& a, const Constant& b) {
  return a.dims == b.dims && a.is_splat == b.is_splat &&
         equal(Attribute(a.data), Attribute(b.data));
}

class Differ {
 public:
  Differ(const Plan& a, const Plan& b) : a_(a), b_(b) {}

  std::vector<std::string> run() {
    change("made by", a_.made_by, b_.made_by);
    change("sources", a_.sources, b_.sources);
    change("rebuild", a_.rebuild, b_.rebuild);
    change("target backend", a_.target.backend, b_.target.backend);
    change("target isa", a_.target.isa, b_.target.isa);
    maps("target property", a_.target.properties, b_.target.properties);
    maps("metadata", a_.metadata, b_.metadata);
    symbols();
    ports("input", a_.inputs, b_.inputs);
    ports("output", a_.outputs, b_.outputs);
    profiles();
    for (size_t p = 0; p < std::max(a_.programs.size(), b_.programs.size()); ++p) {
      if (p >= a_.programs.size())
        line("+ program \"", b_.programs[p].name, "\"");
      else if (p >= b_.programs.size())
        line("- program \"", a_.programs[p].name, "\"");
      else
        programs(a_.programs[p], b_.programs[p]);
    }
    constants();
    sections();
    reports();
    // Numbers that nothing above looks at: of values without a use, or of two with one name.
    if (lines_.empty() && write_plan(a_) != write_plan(b_))
      line("the plans differ in the wiring: values or constants have other numbers");
    return std::move(lines_);
  }

 private:
  template <class... Args>
  void line(const Args&... args) {
    lines_.push_back(concat(args...));
  }
  void change(const std::string& what, const std::string& a, const std::string& b) {
    if (a != b) line(what, ": ", a.empty() ? "none" : a, " -> ", b.empty() ? "none" : b);
  }

  void maps(const std::string& what, const std::map<std::string, std::string>& a,
            const std::map<std::string, std::string>& b) {
    std::set<std::string> keys;
    for (const auto& [key, value] : a) keys.insert(key);
    for (const auto& [key, value] : b) keys.insert(key);
    const auto text = [](const auto& map, const std::string& key) {
      const auto it = map.find(key);
      return it == map.end() ? std::string() : concat('"', it->second.substr(0, 60), '"');
    };
    for (const std::string& key : keys) {
      const auto x = a.find(key), y = b.find(key);
      if (x != a.end() && y != b.end() && x->second == y->second) continue;
      line(what, " \"", key, "\": ", x == a.end() ? "none" : text(a, key), " -> ",
           y == b.end() ? "none" : text(b, key));
    }
  }

  void symbols() {
    std::map<std::string, std::string> texts[2];
    for (const Symbol& s : a_.symbols) texts[0][s.name] = concat(s.range.min, " to ", s.range.max);
    for (const Symbol& s : b_.symbols) texts[1][s.name] = concat(s.range.min, " to ", s.range.max);
    maps("symbol", texts[0], texts[1]);
  }

  void ports(const char* what, const std::vector<Port>& a, const std::vector<Port>& b) {
    for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      const auto text = [i](const std::vector<Port>& ports) {
        return i < ports.size() ? concat('"', ports[i].name, "\" ", ports[i].type.to_string())
                                : std::string();
      };
      change(concat(what, ' ', i), text(a), text(b));
    }
  }

  void profiles() {
    for (size_t i = 0; i < std::max(a_.profiles.size(), b_.profiles.size()); ++i)
      change(concat("profile ", i), profile_text(a_, i), profile_text(b_, i));
  }

  static std::string profile_text(const Plan& plan, size_t i) {
    if (i >= plan.profiles.size()) return {};
    std::string text = concat('"', plan.profiles[i].name, '"');
    for (size_t k = 0; k < plan.profiles[i].inputs.size(); ++k) {
      const DimsRange& r = plan.profiles[i].inputs[k];
      if (!r.opt.empty())
        text += concat(' ', plan.inputs[k].name, '=', dims_to_string(r.min), ':',
                       dims_to_string(r.opt), ':', dims_to_string(r.max));
    }
    return text;
  }

  static std::string step_text(const Step& s) { return concat("step ", s.op, " \"", s.node, "\""); }

  // Steps of one name are told apart by their order.
  static std::map<std::pair<std::string, int>, const Step*> by_name(const Program& p) {
    std::map<std::string, int> seen;
    std::map<std::pair<std::string, int>, const Step*> out;
    for (const Step& s : p.steps) out[{s.node, seen[s.node]++}] = &s;
    return out;
  }

  void programs(const Program& a, const Program& b) {
    change("program name", a.name, b.name);
    if (a.steps.size() != b.steps.size())
      line("program \"", a.name, "\": ", a.steps.size(), " steps -> ", b.steps.size());
    const auto in_a = by_name(a), in_b = by_name(b);
    std::map<std::string, int> seen;
    for (const Step& s : a.steps) {
      const auto it = in_b.find({s.node, seen[s.node]++});
      if (it == in_b.end())
        line("- ", step_text(s), " (", s.kernel, ")");
      else
        steps(a, s, b, *it->second);
    }
    seen.clear();
    for (const Step& s : b.steps)
      if (in_a.count({s.node, seen[s.node]++}) == 0) line("+ ", step_text(s), " (", s.kernel, ")");
    if (lines_.empty() && order_of(a) != order_of(b))
      line("program \"", a.name, "\": the steps are in another order");
    values(concat("program \"", a.name, "\": input "), a, a.inputs, b, b.inputs);
    values(concat("program \"", a.name, "\": output "), a, a.outputs, b, b.outputs);
  }

  static std::vector<std::string> order_of(const Program& p) {
    std::vector<std::string> out;
    for (const Step& s : p.steps) out.push_back(s.node);
    return out;
  }

  void steps(const Program& pa, const Step& a, const Program& pb, const Step& b) {
    const std::string where = concat("~ ", step_text(a), ": ");
    change(where + "op", a.op, b.op);
    change(where + "kernel", a.kernel, b.kernel);
    change(where + "tactic", a.tactic, b.tactic);
    std::set<std::string> names;
    for (const auto& [name, value] : a.attributes) names.insert(name);
    for (const auto& [name, value] : b.attributes) names.insert(name);
    for (const std::string& name : names) {
      const Attribute *x = a.attributes.find(name), *y = b.attributes.find(name);
      if (x != nullptr && y != nullptr && equal(*x, *y)) continue;
      line(where, "attribute ", name, ": ", attribute_text(x), " -> ", attribute_text(y));
    }
    values(where + "input ", pa, a.inputs, pb, b.inputs);
    values(where + "output ", pa, a.outputs, pb, b.outputs);
    subprograms(where, pa, a, pb, b);
  }

  void subprograms(const std::string& where, const Program& pa, const Step& a, const Program& pb,
                   const Step& b) {
    change(where + "subprograms", concat(a.subprograms.size()), concat(b.subprograms.size()));
    for (size_t i = 0; i < std::min(a.subprograms.size(), b.subprograms.size()); ++i) {
      const Subprogram &x = a.subprograms[i], &y = b.subprograms[i];
      const auto text = [](const Subprogram& s) {
        return concat('"', s.name, "\" is program ", s.program);
      };
      change(concat(where, "subprogram ", i), text(x), text(y));
      values(concat(where, "subprogram ", i, ": captured "), pa, x.captured, pb, y.captured);
    }
  }

  void values(const std::string& where, const Program& pa, const std::vector<int32_t>& a,
              const Program& pb, const std::vector<int32_t>& b) {
    for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      const Value* x = i < a.size() && a[i] >= 0 ? &pa.values[static_cast<size_t>(a[i])] : nullptr;
      const Value* y = i < b.size() && b[i] >= 0 ? &pb.values[static_cast<size_t>(b[i])] : nullptr;
      change(where + std::to_string(i), value_text(pa, x), value_text(pb, y));
      if (x == nullptr || y == nullptr || x->storage != Storage::kConstant ||
          y->storage != Storage::kConstant)
        continue;
      if (!same_constant(a_.constants[static_cast<size_t>(x->index)],
                         b_.constants[static_cast<size_t>(y->index)]))
        line(where, i, ": another constant");
    }
  }

  static std::string value_text(const Program& p, const Value* v) {
    static constexpr const char* kStorage[] = {"input", "constant", "planned", "dynamic", "alias"};
    if (v == nullptr) return {};
    std::string text = concat('"', v->name, "\" ", v->type.to_string(), ' ',
                              kStorage[static_cast<size_t>(v->storage)]);
    if (v->storage == Storage::kInput) text += concat(' ', v->index);
    if (v->storage == Storage::kAlias)
      text += concat(" of \"", p.values[static_cast<size_t>(v->index)].name, "\" from byte ",
                     v->offset.to_string());
    return v->memory == Memory::kDevice ? text + " on the device" : text;
  }

  void constants() {
    const auto text = [](const Plan& p) {
      return concat(p.constants.size(), ", ", size_text(weight_bytes(p)));
    };
    change("constants", text(a_), text(b_));
    if (!lines_.empty()) return;
    for (size_t i = 0; i < a_.constants.size(); ++i)
      if (!same_constant(a_.constants[i], b_.constants[i]))
        line("constant ", i, ": other contents");
  }

  void sections() {
    std::map<std::string, std::string> texts[2];
    for (const Section& s : a_.sections) texts[0][s.name] = concat(s.data.bytes.size(), " bytes");
    for (const Section& s : b_.sections) texts[1][s.name] = concat(s.data.bytes.size(), " bytes");
    maps("section", texts[0], texts[1]);
    for (const Section& x : a_.sections)
      for (const Section& y : b_.sections)
        if (x.name == y.name && x.data.bytes.size() == y.data.bytes.size() &&
            !std::equal(x.data.bytes.begin(), x.data.bytes.end(), y.data.bytes.begin()))
          line("section \"", x.name, "\": other bytes");
  }

  void reports() {
    const auto is_same = [](const Record& x, const Record& y) {
      return x.kind == y.kind && x.subject == y.subject && x.fields == y.fields;
    };
    if (!std::equal(a_.report.begin(), a_.report.end(), b_.report.begin(), b_.report.end(),
                    is_same))
      line("report: ", a_.report.size(), " records -> ", b_.report.size());
  }

  const Plan& a_;
  const Plan& b_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> diff(const Plan& a, const Plan& b) { return Differ(a, b).run(); }

}  // namespace planish::plan
