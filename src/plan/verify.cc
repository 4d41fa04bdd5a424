// SPDX-License-Identifier: Apache-2.0
#include "plan/verify.h"

#include <algorithm>
#include <cstddef>

#include "base/checked.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish::plan {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kInvalidPlan, concat("the plan is not valid: ", what));
}

template <class... Args>
void require(bool condition, const Args&... args) {
  if (!condition) fail(concat(args...));
}

void check_type(const Type& type, const std::string& what, int depth = 0) {
  require(depth < 16, what, ": its type is nested too deep");
  require(type.dtype == DType::kUndefined || is_valid_dtype(static_cast<int>(type.dtype)), what,
          ": unknown data type");
  require(type.key == DType::kUndefined || is_valid_dtype(static_cast<int>(type.key)), what,
          ": unknown key type");
  require(type.kind <= Type::Kind::kMap, what, ": unknown kind of type");
  if (type.shape) {
    require(type.is_tensor(), what, ": only a tensor has a shape");
    require(type.shape->size() <= kMaxRank, what, ": rank ", type.shape->size(), " is over ",
            kMaxRank);
    for (const Dim& d : *type.shape)
      require(!d.is_constant() || d.value() >= 0, what, ": dimension ", d.to_string());
  }
  if (type.element) check_type(*type.element, what, depth + 1);
}

void collect_symbols(const Type& type, std::map<std::string, DimRange>& into) {
  if (type.shape)
    for (const Dim& d : *type.shape) d.collect_symbols(into);
  if (type.element) collect_symbols(*type.element, into);
}

bool symbols_within(const Dim& dim, const SymbolSet& bound) {
  if (dim.is_constant()) return true;
  std::map<std::string, DimRange> used;
  dim.collect_symbols(used);
  return std::all_of(used.begin(), used.end(),
                     [&](const auto& s) { return bound.count(s.first) != 0; });
}

class Verifier {
 public:
  explicit Verifier(const Plan& plan) : plan_(plan) {}

  void run() {
    require(!plan_.programs.empty(), "it has no program");
    check_symbols();
    check_constants();
    check_tree();
    check_ports();
    check_profiles();
    check_sections();
  }

 private:
  std::string at(const Program& program, size_t step) const {
    const Step& s = program.steps[step];
    return concat("program \"", program.name, "\", step ", step, " (", s.op, " \"", s.node, "\")");
  }

  void check_symbols() {
    std::string_view previous;
    for (const Symbol& s : plan_.symbols) {
      require(!s.name.empty() && (previous.empty() || previous < s.name), "symbol \"", s.name,
              "\" is out of order");
      require(s.range.min <= s.range.max, "symbol \"", s.name, "\" has an empty range");
      previous = s.name;
      known_symbols_.insert(s.name);
    }
  }

  void check_constants() const {
    for (size_t i = 0; i < plan_.constants.size(); ++i) {
      const Constant& c = plan_.constants[i];
      require(c.data.defined(), "constant ", i, " has no data");
      require(c.dims.size() <= kMaxRank, "constant ", i, ": its rank is over ", kMaxRank);
      const int64_t count =
          checked_element_count(c.dims, concat("constant ", i), ErrorCode::kInvalidPlan);
      if (c.is_splat)
        require(c.data.count() == 1 && dtype_bits(c.dtype()) >= 8 && count > 0, "constant ", i,
                ": a splat must have one element of whole bytes");
      else
        require(c.data.dims() == c.dims, "constant ", i, ": its dims are ", dims_to_string(c.dims),
                ", its data's are ", dims_to_string(c.data.dims()));
    }
  }

  // Every program but the first belongs to one step of an earlier program.
  void check_tree() {
    const size_t n = plan_.programs.size();
    bound_.resize(n);
    depth_.assign(n, -1);
    depth_[0] = 0;
    for (size_t p = 0; p < n; ++p) {
      require(depth_[p] >= 0, "program ", p, " belongs to no step");
      const Program& program = plan_.programs[p];
      check_values(program);
      bound_[p] = symbols_bound_by_inputs(program, bound_[p]);
      check_storage(program, bound_[p]);
      check_steps(program, p);
    }
  }

  void check_values(const Program& program) const {
    const auto count = static_cast<int32_t>(program.values.size());
    for (int32_t v = 0; v < count; ++v) {
      const Value& value = program.values[static_cast<size_t>(v)];
      const std::string what = concat("program \"", program.name, "\", value ", v);
      require(value.storage <= Storage::kAlias, what, ": unknown storage");
      require(value.memory <= Memory::kDevice, what, ": unknown memory");
      check_type(value.type, what);
      std::map<std::string, DimRange> used;
      collect_symbols(value.type, used);
      value.offset.collect_symbols(used);
      for (const auto& [name, range] : used)
        require(known_symbols_.count(name) != 0, what, ": symbol \"", name,
                "\" is not in the table");
    }
    for (size_t i = 0; i < program.inputs.size(); ++i) {
      const int32_t v = program.inputs[i];
      require(v >= 0 && v < count, "program \"", program.name, "\": input ", i, " is value ", v);
      const Value& value = program.values[static_cast<size_t>(v)];
      require(value.storage == Storage::kInput && value.index == static_cast<int32_t>(i),
              "program \"", program.name, "\": value ", v, " is not its input ", i);
    }
  }

  void check_storage(const Program& program, const SymbolSet& bound) const {
    for (size_t v = 0; v < program.values.size(); ++v) {
      const Value& value = program.values[v];
      const std::string what = concat("program \"", program.name, "\", value ", v);
      require(value.memory == Memory::kHost ||
                  (value.storage != Storage::kInput && value.storage != Storage::kDynamic),
              what, ": inputs and values of unknown size are the host's");
      switch (value.storage) {
        case Storage::kInput:
          require(value.index >= 0 && static_cast<size_t>(value.index) < program.inputs.size() &&
                      program.inputs[static_cast<size_t>(value.index)] == static_cast<int32_t>(v),
                  what, ": input ", value.index, " is another value");
          break;
        case Storage::kConstant: check_constant_value(value, what); break;
        case Storage::kPlanned: require_known(value, bound, what); break;
        case Storage::kAlias: check_alias(program, value, bound, what); break;
        case Storage::kDynamic: break;
      }
    }
  }

  static void require_known(const Value& value, const SymbolSet& bound, const std::string& what) {
    require(has_known_dims(value.type, bound) && dtype_bits(value.type.dtype) != 0, what, ": ",
            value.type.to_string(), " has no size that its program's inputs decide");
  }

  void check_constant_value(const Value& value, const std::string& what) const {
    require(value.index >= 0 && static_cast<size_t>(value.index) < plan_.constants.size(), what,
            ": constant ", value.index, " of ", plan_.constants.size());
    const Constant& c = plan_.constants[static_cast<size_t>(value.index)];
    require(value.type.is_static() && value.type.dtype == c.dtype() &&
                *constant_dims(*value.type.shape) == c.dims,
            what, ": its type ", value.type.to_string(), " is not that of constant ", value.index);
  }

  static void check_alias(const Program& program, const Value& value, const SymbolSet& bound,
                          const std::string& what) {
    require(value.index >= 0 && static_cast<size_t>(value.index) < program.values.size(), what,
            ": alias of value ", value.index);
    const Value& root = program.values[static_cast<size_t>(value.index)];
    require(root.storage == Storage::kInput || root.storage == Storage::kConstant ||
                root.storage == Storage::kPlanned,
            what, ": alias of a value that has no bytes of its own");
    require(root.memory == value.memory, what, ": alias of a value in other memory");
    require_known(value, bound, what);
    require_known(root, bound, what);
    require(symbols_within(value.offset, bound), what, ": offset ", value.offset.to_string());
  }

  void check_steps(const Program& program, size_t index) {
    std::vector<bool> made(program.values.size(), false);
    for (size_t v = 0; v < made.size(); ++v) {
      const Storage s = program.values[v].storage;
      made[v] = s == Storage::kInput || s == Storage::kConstant;
    }
    for (size_t i = 0; i < program.steps.size(); ++i) {
      const Step& step = program.steps[i];
      require(!step.kernel.empty(), at(program, i), " names no kernel");
      for (int32_t v : step.inputs) require_made(made, v, true, [&] { return at(program, i); });
      for (const auto& [name, attribute] : step.attributes)
        if (const auto* type = std::get_if<Type>(&attribute)) check_type(*type, at(program, i));
      for (const Subprogram& sub : step.subprograms) check_subprogram(program, index, i, sub, made);
      for (int32_t v : step.outputs) {
        if (v == -1) continue;
        require(v >= 0 && static_cast<size_t>(v) < made.size(), at(program, i),
                ": output is value ", v);
        require(!made[static_cast<size_t>(v)], at(program, i), ": value ", v, " is made twice");
        check_written(program, i, program.values[static_cast<size_t>(v)]);
        made[static_cast<size_t>(v)] = true;
      }
    }
    for (int32_t v : program.outputs) {
      const auto where = [&] { return concat("program \"", program.name, "\": an output"); };
      require_made(made, v, false, where);
      require_host(program, v, where);
    }
    for (size_t v = 0; v < made.size(); ++v)
      require(made[v], "program \"", program.name, "\": no step makes value ", v);
  }

  template <class Where>
  static void require_made(const std::vector<bool>& made, int32_t v, bool may_be_absent,
                           Where where) {
    if (v == -1 && may_be_absent) return;
    if (v < 0 || static_cast<size_t>(v) >= made.size())
      fail(concat(where(), ": there is no value ", v));
    if (!made[static_cast<size_t>(v)])
      fail(concat(where(), ": value ", v, " is used before it is made"));
  }

  template <class Where>
  static void require_host(const Program& program, int32_t v, Where where) {
    if (program.values[static_cast<size_t>(v)].memory != Memory::kHost)
      fail(concat(where(), ": value ", v, " is in the device's memory"));
  }

  // What a step writes must not be an input's or a constant's memory.
  void check_written(const Program& program, size_t i, const Value& value) const {
    if (value.storage != Storage::kAlias) return;
    const Step& step = program.steps[i];
    const Value& root = program.values[static_cast<size_t>(value.index)];
    if (step.kernel != "alias") {
      require(root.storage == Storage::kPlanned, at(program, i),
              " writes into memory that is not its own");
      return;
    }
    const int32_t first = step.inputs.empty() ? -1 : step.inputs[0];
    require(first >= 0, at(program, i), ": an alias of nothing");
    const Value& source = program.values[static_cast<size_t>(first)];
    const int32_t source_root = source.storage == Storage::kAlias ? source.index : first;
    require(source_root == value.index, at(program, i), ": alias of value ", value.index,
            ", input is of ", source_root);
  }

  void check_subprogram(const Program& program, size_t index, size_t i, const Subprogram& sub,
                        const std::vector<bool>& made) {
    require(sub.program > static_cast<int32_t>(index) &&
                static_cast<size_t>(sub.program) < plan_.programs.size(),
            at(program, i), ": program ", sub.program, " cannot be a subprogram");
    const auto p = static_cast<size_t>(sub.program);
    require(depth_[p] < 0, at(program, i), ": program ", sub.program, " belongs to another step");
    depth_[p] = depth_[index] + 1;
    require(depth_[p] <= kMaxNesting, at(program, i), ": programs are nested deeper than ",
            kMaxNesting);
    bound_[p] = bound_[index];
    require(sub.captured.size() <= plan_.programs[p].inputs.size(), at(program, i), ": ",
            sub.captured.size(), " captured values for ", plan_.programs[p].inputs.size(),
            " inputs");
    for (int32_t v : sub.captured) {
      require_made(made, v, false, [&] { return at(program, i); });
      require_host(program, v, [&] { return at(program, i); });
    }
  }

  void check_ports() const {
    const Program& main = plan_.main();
    require(
        plan_.inputs.size() == main.inputs.size() && plan_.outputs.size() == main.outputs.size(),
        "the engine's inputs and outputs are not those of its program");
    check_names(plan_.inputs, "input");
    check_names(plan_.outputs, "output");
    for (size_t i = 0; i < plan_.inputs.size(); ++i)
      require(plan_.inputs[i].type == main.values[static_cast<size_t>(main.inputs[i])].type,
              "input \"", plan_.inputs[i].name, "\" has another type than its value");
    for (size_t i = 0; i < plan_.outputs.size(); ++i)
      require(plan_.outputs[i].type == main.values[static_cast<size_t>(main.outputs[i])].type,
              "output \"", plan_.outputs[i].name, "\" has another type than its value");
  }

  static void check_names(const std::vector<Port>& ports, const char* what) {
    std::set<std::string_view> seen;
    for (const Port& port : ports)
      require(seen.insert(port.name).second, what, " \"", port.name, "\" is there twice");
  }

  void check_profiles() const {
    for (const Profile& profile : plan_.profiles) {
      require(profile.inputs.size() == plan_.inputs.size(), "profile \"", profile.name, "\" has ",
              profile.inputs.size(), " inputs, expected ", plan_.inputs.size());
      for (size_t i = 0; i < profile.inputs.size(); ++i) {
        const DimsRange& r = profile.inputs[i];
        const Type& type = plan_.inputs[i].type;
        const auto what = [&] {
          return concat("profile \"", profile.name, "\", input \"", plan_.inputs[i].name, "\"");
        };
        if (r.min.size() != r.opt.size() || r.max.size() != r.opt.size() ||
            (!r.opt.empty() && (!type.has_rank() || type.shape->size() != r.opt.size())))
          fail(what() + ": the ranks differ");
        for (size_t d = 0; d < r.opt.size(); ++d)
          if (r.min[d] < 0 || r.min[d] > r.opt[d] || r.opt[d] > r.max[d])
            fail(concat(what(), ": dimension ", d, " is not min <= opt <= max"));
      }
    }
  }

  void check_sections() const {
    std::set<std::string_view> seen;
    for (const Section& s : plan_.sections)
      require(!s.name.empty() && seen.insert(s.name).second, "section \"", s.name,
              "\" is there twice");
  }

  const Plan& plan_;
  SymbolSet known_symbols_;
  std::vector<SymbolSet> bound_;  // by program
  std::vector<int> depth_;        // by program; -1: no step has named it
};

}  // namespace

SymbolSet symbols_bound_by_inputs(const Program& program, const SymbolSet& around) {
  SymbolSet bound = around;
  for (int32_t v : program.inputs) {
    const Type& type = program.values[static_cast<size_t>(v)].type;
    if (!type.has_rank()) continue;
    for (const Dim& d : *type.shape)
      if (d.is_symbol()) bound.insert(d.symbol_name());
  }
  return bound;
}

bool has_known_dims(const Type& type, const SymbolSet& bound) {
  return type.has_rank() && type.dtype != DType::kUndefined &&
         std::all_of(type.shape->begin(), type.shape->end(),
                     [&](const Dim& d) { return symbols_within(d, bound); });
}

void verify(const Plan& plan) { Verifier(plan).run(); }

}  // namespace planish::plan
