// SPDX-License-Identifier: Apache-2.0
#include "common.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

namespace planish::cli {

int exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk: return 0;
    case ErrorCode::kInvalidArgument: return 2;
    case ErrorCode::kInvalidModel:
    case ErrorCode::kUnsupported: return 3;
    case ErrorCode::kInvalidShape:
    case ErrorCode::kInvalidType:
    case ErrorCode::kInvalidValue: return 4;
    case ErrorCode::kInvalidPlan:
    case ErrorCode::kVersionMismatch: return 5;
    case ErrorCode::kFileError: return 6;
    case ErrorCode::kBudgetExceeded:
    case ErrorCode::kOutOfMemory: return 7;
    case ErrorCode::kCancelled: return 130;
    case ErrorCode::kDeviceError: return 8;
    case ErrorCode::kInternal: return 70;
  }
  return 70;
}

void print_error(const Error& error, bool json) {
  if (json) {
    nlohmann::ordered_json out{{"error", {{"code", error.code_name()}, {"message", error.what()}}}};
    if (!error.node().empty()) out["error"]["node"] = error.node();
    if (!error.hint().empty()) out["error"]["hint"] = error.hint();
    std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return;
  }
  std::fprintf(stderr, "planish: %s: %s\n", error.code_name(), error.what());
  if (!error.hint().empty()) std::fprintf(stderr, "  hint: %s\n", error.hint().c_str());
}

namespace {

std::string flag_name(std::string name) {
  for (char& c : name)
    if (c == '_') c = '-';
  return "--" + name;
}

}  // namespace

void OptionFlags::add(CLI::App& verb, const std::string& scope, bool with_shapes) {
  for (int i = 0; i < planish_option_count(); ++i) {
    const std::string row_scope = planish_option_field(i, 4);
    if (row_scope != scope && row_scope != "both" && scope != "any") continue;
    const std::string name = planish_option_field(i, 0), kind = planish_option_field(i, 1);
    const std::string choices = planish_option_field(i, 3), fallback = planish_option_field(i, 2);
    std::string help = planish_option_field(i, 5);
    if (!choices.empty()) help += " {" + choices + "}";
    if (!fallback.empty()) help += " [" + fallback + "]";
    if (kind == "flag")
      verb.add_flag_function(
              flag_name(name),
              [this, name](int64_t n) { values_[name] = n > 0 ? "true" : "false"; }, help)
          ->group("Options of the table");
    else
      verb.add_option_function<std::string>(
              flag_name(name), [this, name](const std::string& v) { values_[name] = v; }, help)
          ->group("Options of the table")
          ->type_name(kind == "text" ? "TEXT" : "NUMBER");
  }
  if (with_shapes)
    verb.add_option("--shapes", shapes_,
                    "shapes of an input: NAME=1x3x224x224, or NAME=MIN:OPT:MAX; repeat for others")
        ->type_name("NAME=SHAPE");
}

std::pair<std::string, std::string> split_assignment(const std::string& text, const char* what) {
  const size_t at = text.rfind('=');
  if (at == std::string::npos || at == 0)
    throw Error(ErrorCode::kInvalidArgument,
                std::string(what) + " \"" + text + "\": expected NAME=VALUE");
  return {text.substr(0, at), text.substr(at + 1)};
}

std::unique_ptr<Options> OptionFlags::make() const {
  auto options = std::make_unique<Options>();
  for (const auto& [name, value] : values_) options->set(name, value);
  for (const std::string& text : shapes_) {
    const auto [name, shape] = split_assignment(text, "--shapes");
    const size_t first = shape.find(':'), second = shape.rfind(':');
    if (first == std::string::npos)
      options->shape(name, shape);
    else if (first == second)
      throw Error(ErrorCode::kInvalidArgument,
                  "--shapes \"" + text + "\": expected NAME=SHAPE or NAME=MIN:OPT:MAX");
    else
      options->shape(name, shape.substr(0, first), shape.substr(first + 1, second - first - 1),
                     shape.substr(second + 1));
  }
  return options;
}

std::string OptionFlags::text() const {
  std::string out;
  for (const auto& [name, value] : values_) out += " " + flag_name(name) + " " + value;
  for (const std::string& s : shapes_) out += " --shapes " + s;
  return out;
}

bool is_plan(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char head[8] = {};
  file.read(head, sizeof(head));
  return std::memcmp(head, "\x89PLAN\r\n\x1a", 8) == 0;
}

Engine open_engine(const std::string& path, const OptionFlags& flags) {
  const auto options = flags.make();
  return is_plan(path) ? load(path, *options) : build(path, *options);
}

const char* dtype_name(int number) {
  static constexpr const char* kNames[] = {"undefined",
                                           "float32",
                                           "uint8",
                                           "int8",
                                           "uint16",
                                           "int16",
                                           "int32",
                                           "int64",
                                           "string",
                                           "bool",
                                           "float16",
                                           "float64",
                                           "uint32",
                                           "uint64",
                                           "complex64",
                                           "complex128",
                                           "bfloat16",
                                           "float8_e4m3fn",
                                           "float8_e4m3fnuz",
                                           "float8_e5m2",
                                           "float8_e5m2fnuz",
                                           "uint4",
                                           "int4",
                                           "float4_e2m1fn",
                                           "float8_e8m0fnu",
                                           "uint2",
                                           "int2"};
  return number >= 0 && number < 27 ? kNames[number] : "undefined";
}

std::string dims_text(const std::vector<int64_t>& dims) {
  std::string out;
  for (int64_t d : dims) out += (out.empty() ? "" : "x") + std::to_string(d);
  return dims.empty() ? "scalar" : out;
}

std::string bytes_text(double bytes) {
  char text[40];
  std::snprintf(text, sizeof(text), bytes >= 1e6 ? "%.1f MB" : "%.1f kB",
                bytes >= 1e6 ? bytes / 1e6 : bytes / 1e3);
  return text;
}

namespace {

int element_bits(int dtype) {
  static constexpr int kBits[] = {0,  32,  8,  8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64,
                                  64, 128, 16, 8, 8,  8,  8,  4,  4, 4, 8,  2,  2};
  return dtype > 0 && dtype < 27 ? kBits[dtype] : 0;
}

std::vector<int64_t> parse_shape(const std::string& text) {
  std::vector<int64_t> dims;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = 0;
    try {
      dims.push_back(std::stoll(text.substr(at), &end));
    } catch (const std::exception&) {
      end = 0;
    }
    at += end;
    if (end == 0 || dims.back() < 0 || (at < text.size() && text[at++] != 'x'))
      throw Error(ErrorCode::kInvalidArgument,
                  "shape \"" + text + "\": expected dimensions like 1x3x224x224");
  }
  return dims;
}

void fill_random(Value& value, std::mt19937_64& rng) {
  const size_t bytes = value.bytes();
  auto* data = static_cast<unsigned char*>(value.data());
  std::normal_distribution<float> normal;
  if (value.dtype() == 1) {
    auto* f = reinterpret_cast<float*>(data);
    for (size_t i = 0; i < bytes / 4; ++i) f[i] = normal(rng);
  } else if (value.dtype() == 11) {
    auto* f = reinterpret_cast<double*>(data);
    for (size_t i = 0; i < bytes / 8; ++i) f[i] = static_cast<double>(normal(rng));
  } else {
    // Small numbers are indices, lengths and flags that most models take; as halves they are tiny.
    const int size = std::max(1, element_bits(value.dtype()) / 8);
    std::memset(data, 0, bytes);
    for (size_t i = 0; i < bytes; i += static_cast<size_t>(size))
      data[i] = static_cast<unsigned char>(rng() % 2);
  }
}

}  // namespace

std::map<std::string, Value> make_inputs(const Engine& engine,
                                         const std::vector<std::string>& files,
                                         const std::vector<std::string>& shapes, uint64_t seed) {
  std::map<std::string, std::string> by_file;
  std::map<std::string, std::vector<int64_t>> by_shape;
  for (const std::string& text : files) by_file.insert(split_assignment(text, "--input"));
  for (const std::string& text : shapes) {
    const auto [name, shape] = split_assignment(text, "--shape");
    by_shape[name] = parse_shape(shape);
  }
  std::mt19937_64 rng(seed);
  std::map<std::string, Value> out;
  for (const TensorInfo& info : engine.inputs()) {
    if (const auto it = by_file.find(info.name); it != by_file.end()) {
      out[info.name] = read_npy(it->second);
      by_file.erase(it);
      continue;
    }
    if (!info.shape || element_bits(info.dtype) == 0)
      throw Error(ErrorCode::kInvalidArgument,
                  "input \"" + info.name + "\" (" + info.type + ") cannot be made up", "",
                  "give it with --input " + info.name + "=FILE.npy");
    std::vector<int64_t> dims;
    if (const auto it = by_shape.find(info.name); it != by_shape.end()) {
      dims = it->second;
      by_shape.erase(it);
    } else {
      for (const std::string& d : *info.shape)
        dims.push_back(!d.empty() && std::isdigit(static_cast<unsigned char>(d[0])) &&
                               d.find_first_not_of("0123456789") == std::string::npos
                           ? std::stoll(d)
                           : 1);
    }
    Value value = Value::allocate(info.dtype, dims);
    fill_random(value, rng);
    out[info.name] = std::move(value);
  }
  for (const auto& [name, rest] : by_file)
    throw Error(ErrorCode::kInvalidArgument, "the model has no input \"" + name + "\"");
  for (const auto& [name, rest] : by_shape)
    throw Error(ErrorCode::kInvalidArgument, "the model has no input \"" + name + "\"");
  return out;
}

}  // namespace planish::cli
