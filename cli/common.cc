// SPDX-License-Identifier: Apache-2.0
#include "common.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace planish::cli {
namespace {

std::string flag_name(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

static_assert(std::atomic<int>::is_always_lock_free, "a signal handler writes it");
std::atomic<int> interrupts{0};

}  // namespace

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

void print_json(const Json& json) {
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

void print_error(const Error& error, bool json) {
  if (json) {
    Json out{{"error", {{"code", error.code_name()}, {"message", error.what()}}}};
    if (!error.node().empty()) out["error"]["node"] = error.node();
    if (!error.hint().empty()) out["error"]["hint"] = error.hint();
    print_json(out);
    return;
  }
  const std::string message = error.what();
  std::fprintf(stderr, "planish: %s: %s\n", error.code_name(), message.c_str());
  if (!error.node().empty() && message.find(error.node()) == std::string::npos)
    std::fprintf(stderr, "  node: %s\n", error.node().c_str());
  if (!error.hint().empty()) std::fprintf(stderr, "  hint: %s\n", error.hint().c_str());
}

void OptionFlags::add(CLI::App& verb, const std::string& scope, bool with_shapes) {
  constexpr const char* kGroup = "Build and run";
  if (with_shapes)
    verb.add_option("--shapes", shapes_,
                    "of an input: NAME=1x3x224x224, or a range NAME=MIN:OPT:MAX; once an input")
        ->type_name("NAME=SHAPE")
        ->group(kGroup);
  for (int i = 0; i < planish_option_count(); ++i) {
    const std::string row_scope = planish_option_field(i, 4);
    if (row_scope != scope && row_scope != "both" && scope != "any") continue;
    const std::string name = planish_option_field(i, 0), kind = planish_option_field(i, 1);
    const std::string choices = planish_option_field(i, 3), fallback = planish_option_field(i, 2);
    std::string help = planish_option_field(i, 5);
    if (!choices.empty()) help += " {" + choices + "}";
    if (!fallback.empty()) help += " [" + fallback + "]";
    if (kind == "flag")
      switches_[name] = verb.add_flag(flag_name(name))->description(help)->group(kGroup);
    else
      verb.add_option_function<std::string>(
              flag_name(name), [this, name](const std::string& v) { values_[name] = v; }, help)
          ->group(kGroup)
          ->type_name(kind == "text" ? "TEXT" : "NUMBER");
  }
}

std::pair<std::string, std::string> split_assignment(const std::string& text, const char* what) {
  const size_t at = text.rfind('=');
  if (at == std::string::npos || at == 0)
    throw Error(ErrorCode::kInvalidArgument,
                std::string(what) + " \"" + text + "\": expected NAME=VALUE");
  return {text.substr(0, at), text.substr(at + 1)};
}

std::unique_ptr<Options> OptionFlags::make(bool with_shapes) const {
  auto options = std::make_unique<Options>();
  for (const auto& [name, value] : values_) options->set(name, value);
  for (const auto& [name, given] : switches_)
    if (given->count() > 0) options->set(name, "true");
  if (!with_shapes) return options;
  std::map<std::string, std::string> seen;
  for (const std::string& text : shapes_) {
    const auto [name, shape] = split_assignment(text, "--shapes");
    if (!seen.emplace(name, shape).second)
      throw Error(ErrorCode::kInvalidArgument, "--shapes: input \"" + name + "\" is given twice");
    const size_t first = shape.find(':'), second = shape.rfind(':');
    if (first == std::string::npos)
      options->shape(name, shape);
    else if (first == second || shape.find(':', first + 1) != second)
      throw Error(ErrorCode::kInvalidArgument,
                  "--shapes \"" + text + "\": expected NAME=SHAPE or NAME=MIN:OPT:MAX");
    else
      options->shape(name, shape.substr(0, first), shape.substr(first + 1, second - first - 1),
                     shape.substr(second + 1));
  }
  return options;
}

std::vector<std::string> run_shapes(const std::string& path, const OptionFlags& flags) {
  if (!is_plan(path)) return {};
  for (const std::string& text : flags.shapes())
    if (split_assignment(text, "--shapes").second.find(':') != std::string::npos)
      throw Error(ErrorCode::kInvalidArgument,
                  "--shapes \"" + text + "\": the ranges of a plan are fixed", "",
                  "give one shape, or build the model again");
  return flags.shapes();
}

BuildProgress::BuildProgress(bool is_quiet) : is_drawn_(!is_quiet && isatty(STDERR_FILENO) != 0) {}

void BuildProgress::attach(Options& options) {
  // A second signal ends the process: whoever asks twice does not want to wait.
  struct sigaction action {};
  action.sa_handler = [](int) { interrupts = interrupts + 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  options.progress([this](const std::string& stage, double fraction, double seconds) {
    constexpr int kWidth = 30;
    if (is_drawn_) {
      const auto full = static_cast<size_t>(std::clamp(fraction, 0.0, 1.0) * kWidth);
      std::fprintf(stderr, "\r[%-*s] %5.1f s  %-22s", kWidth, std::string(full, '#').c_str(),
                   seconds, stage.c_str());
      is_dirty_ = true;
    }
    return interrupts == 0;
  });
}

void BuildProgress::finish() {
  if (is_dirty_) std::fputs("\r\033[K", stderr);
  is_dirty_ = false;
  if (interrupts == 0) {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
  }
}

bool is_plan(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  std::ifstream file(path, std::ios::binary);
  char head[8] = {};
  file.read(head, sizeof(head));
  return std::memcmp(head, "\x89PLAN\r\n\x1a", 8) == 0;
}

Engine open_engine(const std::string& path, const OptionFlags& flags, bool is_quiet) {
  const bool is_made = is_plan(path);
  const auto options = flags.make(!is_made);
  if (is_made) return load(path, *options);
  BuildProgress progress(is_quiet);
  progress.attach(*options);
  return build(path, *options);
}

Json summary_of(const Engine& engine) {
  const char* text = nullptr;
  detail::check(planish_engine_summary(engine.handle(), &text));
  return Json::parse(text);
}

std::string bytes_text(double bytes) {
  char text[40];
  if (bytes < 1e3)
    std::snprintf(text, sizeof(text), "%.0f B", bytes);
  else if (bytes < 1e6)
    std::snprintf(text, sizeof(text), "%.1f kB", bytes / 1e3);
  else if (bytes < 1e9)
    std::snprintf(text, sizeof(text), "%.1f MB", bytes / 1e6);
  else
    std::snprintf(text, sizeof(text), "%.2f GB", bytes / 1e9);
  return text;
}

std::string seconds_text(double seconds) {
  char text[40];
  if (seconds < 1e-3)
    std::snprintf(text, sizeof(text), "%.1f us", seconds * 1e6);
  else if (seconds < 1)
    std::snprintf(text, sizeof(text), "%.2f ms", seconds * 1e3);
  else
    std::snprintf(text, sizeof(text), "%.2f s", seconds);
  return text;
}

size_t terminal_columns() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return std::clamp<size_t>(size.ws_col, 60, 200);
  const char* columns = std::getenv("COLUMNS");
  const int n = columns == nullptr ? 0 : std::atoi(columns);
  return n > 0 ? std::clamp<size_t>(static_cast<size_t>(n), 60, 200) : 80;
}

std::string fitted(const std::string& text, size_t columns) {
  std::string out = text;
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  if (out.size() <= columns) return out;
  if (columns < 8) return out.substr(0, columns);
  const size_t tail = (columns - 2) / 2, head = columns - 2 - tail;
  return out.substr(0, head) + ".." + out.substr(out.size() - tail);
}

std::string padded(const std::string& text, size_t columns) {
  std::string out = fitted(text, columns);
  out.resize(columns, ' ');
  return out;
}

std::string step_title(std::string op, const std::string& kernel, const std::string& activation) {
  const std::string prefix = "planish.", suffix = "Nhwc";
  if (op.rfind(prefix, 0) == 0) op.erase(0, prefix.size());
  if (op.size() > suffix.size() && op.compare(op.size() - suffix.size(), op.npos, suffix) == 0)
    op.resize(op.size() - suffix.size());
  if (op != "Fused") return op;
  return kernel.substr(kernel.find('.') + 1) + " + tail" +
         (activation.empty() ? "" : " (" + activation + ")");
}

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string usual_python() {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  const std::string beside = failed ? "" : (self.parent_path() / "python3").string();
  return !beside.empty() && access(beside.c_str(), X_OK) == 0 ? beside : "python3";
}

void print_line(const std::string& label, const std::string& text, size_t column) {
  const size_t width = terminal_columns() - column;
  std::string rest = text, left = label;
  do {
    size_t cut = rest.size();
    if (cut > width) {
      cut = rest.rfind(' ', width);
      if (cut == std::string::npos || cut < width / 2) cut = width;
    }
    std::printf("%s%s\n", padded(left, column).c_str(), rest.substr(0, cut).c_str());
    left.clear();
    rest.erase(0, cut);
    if (!rest.empty() && rest[0] == ' ') rest.erase(0, 1);
  } while (!rest.empty());
}

}  // namespace planish::cli
