// SPDX-License-Identifier: Apache-2.0
#include "inputs.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>

#include "common.h"
#include "dtypes.h"
#include "files.h"
#include "npy.h"
#include "tensor_proto.h"

namespace planish::cli {
namespace {

namespace fs = std::filesystem;
using Dims = std::vector<int64_t>;

std::string input_names(const Engine& engine) {
  std::string out;
  for (const TensorInfo& info : engine.inputs())
    out += (out.empty() ? "" : ", ") + info.name + ": " + info.type;
  return out.empty() ? "the model has no inputs" : "inputs: " + out;
}

std::optional<int64_t> number(const std::string& text) {
  int64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return v;
}

// Names may hold '=': the longest of `names` that the text begins with, else up to the last '='.
std::pair<std::string, std::string> split_by_name(const std::string& text,
                                                  const std::set<std::string>& names,
                                                  const char* flag) {
  size_t best = 0;
  bool is_found = false;
  for (const std::string& name : names)
    if (text.size() > name.size() && text[name.size()] == '=' && text.starts_with(name) &&
        (!is_found || name.size() > best)) {
      best = name.size();
      is_found = true;
    }
  if (is_found) return {text.substr(0, best), text.substr(best + 1)};
  return split_assignment(text, flag);
}

// Makes the inputs of one run.
class InputMaker {
 public:
  InputMaker(const Engine& engine, const Json& symbols, uint64_t seed, const PictureFlags& picture)
      : engine_(engine), infos_(engine.inputs()), rng_(seed), picture_(picture) {
    for (const auto& symbol : symbols)
      least_[symbol["name"]] = std::max<int64_t>(1, symbol["min"].get<int64_t>());
    for (const TensorInfo& info : infos_) names_.insert(info.name);
  }

  // NAME=1x3, or a symbolic dimension by its name: batch=4.
  void add_shape(const std::string& text, const char* flag) {
    std::set<std::string> known = names_;
    for (const auto& [name, value] : least_) known.insert(name);
    const auto [name, shape] = split_by_name(text, known, flag);
    const Dims dims = parse_shape(shape);
    if (names_.count(name) == 0) {
      if (least_.count(name) == 0 || dims.size() != 1)
        throw Error(ErrorCode::kInvalidArgument,
                    std::string(flag) + ": the model has no input \"" + name + "\"", "",
                    input_names(engine_));
      bound_[name] = dims[0];
      return;
    }
    const TensorInfo& info = find(name);
    if (info.shape && info.shape->size() != dims.size())
      throw Error(ErrorCode::kInvalidArgument, std::string(flag) + ": input \"" + name + "\" is " +
                                                   info.type + ", got the shape " +
                                                   dims_text(dims));
    shapes_[name] = dims;
    for (size_t i = 0; info.shape && i < dims.size(); ++i) {
      const std::string& d = (*info.shape)[i];
      if (!number(d) && d != "?") bound_[d] = dims[i];
    }
  }

  void add_file(const std::string& text) {
    const auto [name, file] = split_by_name(text, names_, "--input");
    if (names_.count(name) == 0)
      throw Error(ErrorCode::kInvalidArgument, "--input: the model has no input \"" + name + "\"",
                  "", input_names(engine_));
    given_[name] = file;
  }

  // All inputs that the archive holds, and nothing else.
  void add_archive(const std::string& path) {
    const NpzReader archive(read_file(path), path);
    for (const std::string& name : archive.names()) {
      if (names_.count(name) == 0)
        throw Error(ErrorCode::kInvalidArgument,
                    "\"" + path + "\" holds \"" + name + "\", which is no input of the model", "",
                    input_names(engine_));
      made_[name] = archive.read(name, find(name).dtype);
      learn(find(name));
    }
  }

  Values make() {
    for (const TensorInfo& info : infos_) {
      if (made_.count(info.name) != 0) continue;
      made_[info.name] = random(info);
      learn(info);
    }
    return std::move(made_);
  }

  // Files come first, so that what they show of a symbol is known to the random rest.
  void make_given() {
    for (const TensorInfo& info : infos_) {
      const auto it = given_.find(info.name);
      if (it == given_.end()) continue;
      made_[info.name] = from_text(info, it->second);
      learn(info);
    }
  }

 private:
  // What one input shows of a symbol holds for the others.
  void learn(const TensorInfo& info) {
    const Value& value = made_[info.name];
    if (!value.is_tensor() || !info.shape || value.dims().size() != info.shape->size()) return;
    for (size_t i = 0; i < info.shape->size(); ++i)
      if (!number((*info.shape)[i])) bound_.emplace((*info.shape)[i], value.dims()[i]);
  }

  const TensorInfo& find(const std::string& name) const {
    return *std::find_if(infos_.begin(), infos_.end(),
                         [&](const TensorInfo& info) { return info.name == name; });
  }

  // Dims as far as something says what they are, else -1.
  Dims wanted(const TensorInfo& info) const {
    if (const auto it = shapes_.find(info.name); it != shapes_.end()) return it->second;
    Dims out;
    for (const std::string& d : *info.shape) {
      const auto known = number(d);
      const auto bound = bound_.find(d);
      out.push_back(known ? *known : bound != bound_.end() ? bound->second : -1);
    }
    return out;
  }

  Dims chosen(const TensorInfo& info) const {
    Dims dims = wanted(info);
    const auto index = static_cast<int>(&info - infos_.data());
    const std::string usual = planish_engine_profile_shape(engine_.handle(), 0, index, 1);
    const Dims opt = usual.empty() ? Dims() : parse_shape(usual);
    for (size_t i = 0; i < dims.size(); ++i) {
      if (dims[i] >= 0) continue;
      const auto least = least_.find((*info.shape)[i]);
      dims[i] = i < opt.size() ? opt[i] : least != least_.end() ? least->second : 1;
    }
    return dims;
  }

  Value from_text(const TensorInfo& info, const std::string& text) {
    const std::string kind = extension(text);
    if (kind == "npy") return parse_npy(read_file(text), text, info.dtype);
    if (kind == "pb") return parse_tensor_file(read_file(text), info.type, text);
    if (is_picture(kind)) {
      if (!info.shape)
        throw Error(ErrorCode::kInvalidArgument, "input \"" + info.name + "\" is " + info.type +
                                                     ", expected rank 3 or 4 for a picture");
      return picture_input(read_file(text), info, wanted(info), picture_, text);
    }
    // FILE.npz:ARRAY, else the array that has the input's name, else the only one.
    const size_t colon = text.rfind(".npz:");
    if (kind == "npz" || colon != std::string::npos) {
      const std::string path = colon == std::string::npos ? text : text.substr(0, colon + 4);
      const NpzReader archive(read_file(path), path);
      std::string name = colon == std::string::npos ? info.name : text.substr(colon + 5);
      if (colon == std::string::npos && !archive.has(name) && archive.names().size() == 1)
        name = archive.names()[0];
      return archive.read(name, info.dtype);
    }
    return from_numbers(info, text);
  }

  // One number for all elements, or one for each.
  Value from_numbers(const TensorInfo& info, const std::string& text) {
    const std::vector<std::string> numbers = list_items(text);
    for (const std::string& item : numbers)
      if (!parse_real(item))
        throw Error(ErrorCode::kInvalidArgument,
                    "--input " + info.name + "=" + text +
                        ": expected a file (.npy, .npz, .pb, .png, .jpg) or numbers: 16000, 1,2,3");
    if (!info.shape || dtype_bits(info.dtype) < 8 || info.dtype > kBfloat16)
      throw Error(ErrorCode::kInvalidArgument, "--input " + info.name + "=" + text + ": input \"" +
                                                   info.name + "\" is " + info.type +
                                                   ", give it as a file");
    Dims dims = chosen(info);
    if (numbers.size() > 1 && dims.size() == 1 && wanted(info)[0] < 0)
      dims[0] = static_cast<int64_t>(numbers.size());
    Value value = allocate(info, dims);
    const size_t count = element_count(value);
    if (numbers.size() != 1 && numbers.size() != count)
      throw Error(ErrorCode::kInvalidArgument, "--input " + info.name + "=" + text +
                                                   ": expected 1 or " + std::to_string(count) +
                                                   " numbers for the shape " + dims_text(dims) +
                                                   ", got " + std::to_string(numbers.size()));
    for (size_t i = 0; i < std::min(count, numbers.size()); ++i)
      if (const std::string expected = put_number(value, i, numbers[i]); !expected.empty())
        throw Error(ErrorCode::kInvalidValue, "--input " + info.name + ": input \"" + info.name +
                                                  "\" is " + info.type + ", expected " + expected +
                                                  ", got " + numbers[i]);
    const auto size = static_cast<size_t>(dtype_bits(info.dtype)) / 8;
    for (size_t i = numbers.size(); i < count; ++i)
      std::memcpy(static_cast<char*>(value.data()) + i * size, value.data(), size);
    return value;
  }

  Value allocate(const TensorInfo& info, const Dims& dims) const {
    const auto bytes = tensor_bytes(info.dtype, dims);
    if (!bytes || *bytes > kMaxInputBytes)
      throw Error(ErrorCode::kBudgetExceeded, "input \"" + info.name + "\" of shape " +
                                                  dims_text(dims) +
                                                  " is too large to be made up, expected at most " +
                                                  std::to_string(kMaxInputBytes) + " bytes");
    return Value::allocate(info.dtype, dims);
  }

  Value random(const TensorInfo& info) {
    if (info.type.starts_with("optional(")) return {};
    if (!info.shape || (dtype_bits(info.dtype) == 0 && info.dtype != kString))
      throw Error(ErrorCode::kInvalidArgument,
                  "input \"" + info.name + "\" is " + info.type + ": it cannot be made up", "",
                  "give it: --input " + info.name + "=FILE" +
                      (info.type.starts_with("sequence(") ? ".pb, a SequenceProto" : ".npy"));
    const Dims dims = chosen(info);
    if (info.dtype == kString) return random_strings(dims);
    Value value = allocate(info, dims);
    const size_t count = element_count(value);
    std::normal_distribution<double> normal;
    switch (info.dtype) {
      case kFloat:
      case kDouble:
      case kHalf:
      case kBfloat16:
        for (size_t i = 0; i < count; ++i) set_element(value, i, normal(rng_));
        break;
      case kComplex64:
        for (size_t i = 0; i < 2 * count; ++i)
          static_cast<float*>(value.data())[i] = static_cast<float>(normal(rng_));
        break;
      case kComplex128:
        for (size_t i = 0; i < 2 * count; ++i) static_cast<double*>(value.data())[i] = normal(rng_);
        break;
      case kUint8:
      case kInt8:
        for (size_t i = 0; i < count; ++i)
          static_cast<uint8_t*>(value.data())[i] = static_cast<uint8_t>(rng_());
        break;
      default: random_small(value);
    }
    return value;
  }

  // Zeros and ones are indices, lengths and flags that most models take, and finite in every
  // small float format.
  void random_small(Value& value) {
    std::memset(value.data(), 0, value.bytes());
    const auto size = static_cast<size_t>(std::max(8, dtype_bits(value.dtype()))) / 8;
    for (size_t i = 0; i < value.bytes(); i += size)
      static_cast<uint8_t*>(value.data())[i] = static_cast<uint8_t>(rng_() % 2);
  }

  Value random_strings(const Dims& dims) {
    static constexpr const char* kWords[] = {"anvil", "brass", "copper", "file", "hammer", "tin"};
    const auto count = tensor_bytes(kUint8, dims);
    if (!count || *count > kMaxInputBytes / 64)
      throw Error(ErrorCode::kBudgetExceeded,
                  "strings of shape " + dims_text(dims) + " are too many to be made up");
    std::vector<std::string> words(*count);
    for (std::string& word : words) word = kWords[rng_() % 6];
    return Value::strings(dims, words);
  }

  const Engine& engine_;
  std::vector<TensorInfo> infos_;
  std::mt19937_64 rng_;
  const PictureFlags& picture_;
  std::set<std::string> names_;
  std::map<std::string, int64_t> least_, bound_;  // by symbol
  std::map<std::string, Dims> shapes_;
  std::map<std::string, std::string> given_;
  Values made_;
};

// "NAME=A,B,C" as "NAME=A", "NAME=B", "NAME=C".
std::vector<std::string> alternatives(const std::string& text) {
  const size_t last = text.rfind('=');
  if (last == std::string::npos) return {text};
  std::vector<std::string> out = list_items(text.substr(last + 1));
  for (std::string& item : out) item.insert(0, text, 0, last + 1);
  return out;
}

}  // namespace

void InputFlags::add(CLI::App& verb) {
  verb.add_option("--input,--inputs", files_,
                  "NAME=FILE: .npy, .npz (also NAME=FILE.npz:ARRAY), .pb, .png, .jpg; "
                  "NAME=NUMBERS; or FILE.npz for several. Inputs without are random")
      ->type_name("NAME=FILE");
  verb.add_option("--shape", shapes_,
                  "NAME=1x3x224x224 of a random input or a picture, or SYMBOL=4")
      ->type_name("NAME=SHAPE");
  verb.add_option("--seed", seed_, "of random inputs [0]")->type_name("NUMBER");
  picture_.add(verb);
}

Values InputFlags::make(const Engine& engine, const std::vector<std::string>& build_shapes) const {
  return make_all(engine, build_shapes).front();
}

std::vector<Values> InputFlags::make_all(const Engine& engine,
                                         const std::vector<std::string>& build_shapes) const {
  std::vector<std::vector<std::string>> shapes;
  size_t count = 1;
  for (const std::string& text : shapes_) {
    shapes.push_back(alternatives(text));
    const size_t here = shapes.back().size();
    if (here > 1 && count > 1 && here != count)
      throw Error(ErrorCode::kInvalidArgument,
                  "--shape \"" + text + "\": expected " + std::to_string(count) +
                      " shapes, as the others have, got " + std::to_string(here));
    count = std::max(count, here);
  }
  std::vector<Values> out;
  const Json symbols = summary_of(engine)["symbols"];
  for (size_t i = 0; i < count; ++i) {
    InputMaker maker(engine, symbols, seed_, picture_);
    for (const std::string& text : build_shapes) maker.add_shape(text, "--shapes");
    for (const auto& list : shapes) maker.add_shape(list[list.size() == 1 ? 0 : i], "--shape");
    for (const std::string& text : files_) {
      if (extension(text) == "npz" && fs::exists(text))
        maker.add_archive(text);
      else
        maker.add_file(text);
    }
    maker.make_given();
    out.push_back(maker.make());
  }
  return out;
}

std::vector<int64_t> parse_shape(const std::string& text) {
  Dims dims;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('x', at), text.size());
    const auto d = number(text.substr(at, end - at));
    if (!d || *d < 0 || end + 1 == text.size())
      throw Error(ErrorCode::kInvalidArgument,
                  "shape \"" + text + "\": expected dimensions like 1x3x224x224");
    dims.push_back(*d);
    at = end + 1;
  }
  return dims;
}

namespace {

// The tensors of a value: itself, or the items of a sequence as NAME.0, NAME.1.
void flatten(const std::string& name, const Value& value,
             std::vector<std::pair<std::string, Value>>& out) {
  if (value.is_tensor()) out.emplace_back(name, value);
  for (size_t i = 0; value.is_sequence() && i < value.count(); ++i)
    flatten(name + "." + std::to_string(i), value.item(i), out);
}

}  // namespace

std::map<std::string, std::string> write_outputs(
    const std::vector<std::pair<std::string, Value>>& outputs, const std::string& path) {
  std::map<std::string, std::string> files;
  const bool is_archive = extension(path) == "npz";
  if (!is_archive) make_folder(path);
  Values archive;
  std::set<std::string> taken;
  for (const auto& [output, value] : outputs) {
    std::vector<std::pair<std::string, Value>> parts;
    flatten(output, value, parts);
    for (const auto& [name, tensor] : parts) {
      if (is_archive) {
        archive[name] = tensor;
        files[output] = path;
        continue;
      }
      std::string file = name;
      for (char& c : file)
        if (c == '/' || c == '\\' || static_cast<unsigned char>(c) < 32) c = '_';
      if (file.size() > 200) file.resize(200);
      while (!taken.insert(file).second) file += "_";
      const std::string full = (fs::path(path) / (file + ".npy")).string();
      write_file(full, to_npy(tensor));
      files[output] += (files[output].empty() ? "" : ", ") + full;
    }
  }
  if (is_archive) write_file(path, to_npz(archive));
  return files;
}

}  // namespace planish::cli
