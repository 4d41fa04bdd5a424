// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "common.h"
#include "dtypes.h"
#include "files.h"
#include "inputs.h"
#include "npy.h"

namespace planish::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchFlags {
  std::string path, trace;
  InputFlags inputs;
  double warm_up = 0.5, seconds = 3;
  int streams = 1;
  bool json = false, layers = false;
  OptionFlags options;
};

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

// Milliseconds of each run of one stream.
std::vector<double> run_stream(const Engine& engine, const std::map<std::string, Value>& inputs,
                               const BenchFlags& flags) {
  Context context = engine.create_context();
  for (const auto& [name, value] : inputs) context.set_input(name, value);
  const auto warm = Clock::now();
  do context.run();
  while (since(warm) < flags.warm_up);
  std::vector<double> times;
  const auto start = Clock::now();
  do {
    const auto one = Clock::now();
    context.run();
    times.push_back(since(one) * 1e3);
  } while (since(start) < flags.seconds);
  return times;
}

// The median of each tenth of the runs; steady if none is far from the whole.
bool is_steady(const std::vector<double>& times, double median) {
  if (times.size() < 50) return false;
  const size_t tenth = times.size() / 10;
  for (size_t i = 0; i < 10; ++i) {
    std::vector<double> part(times.begin() + static_cast<std::ptrdiff_t>(i * tenth),
                             times.begin() + static_cast<std::ptrdiff_t>((i + 1) * tenth));
    std::sort(part.begin(), part.end());
    if (std::abs(quantile(part, 0.5) / median - 1) > 0.1) return false;
  }
  return true;
}

struct StepRow {
  std::string node, op, kernel;
  double start = 0, seconds = 0;
};

std::vector<StepRow> record_steps(const Engine& engine, const std::map<std::string, Value>& inputs,
                                  int rounds) {
  Context context = engine.create_context();
  context.run(inputs);
  std::vector<StepRow> total;
  for (int round = 0; round < rounds; ++round) {
    std::vector<StepRow> rows;
    planish_context_set_step_callback(
        context.handle(),
        [](int, const char* node, const char* op, const char* kernel, double start, double seconds,
           void* user) {
          static_cast<std::vector<StepRow>*>(user)->push_back({node, op, kernel, start, seconds});
        },
        &rows);
    context.run(inputs);
    planish_context_set_step_callback(context.handle(), nullptr, nullptr);
    if (total.empty()) {
      total = rows;
      continue;
    }
    for (size_t i = 0; i < std::min(total.size(), rows.size()); ++i)
      total[i].seconds = std::min(total[i].seconds, rows[i].seconds);
  }
  return total;
}

void print_layers(std::vector<StepRow> rows) {
  double sum = 0;
  for (const StepRow& r : rows) sum += r.seconds;
  std::printf("\n%9s %6s  %-16s %-20s %s\n", "ms", "share", "kernel", "op", "node");
  std::sort(rows.begin(), rows.end(),
            [](const StepRow& a, const StepRow& b) { return a.seconds > b.seconds; });
  for (size_t i = 0; i < rows.size() && i < 30; ++i) {
    const StepRow& r = rows[i];
    std::printf("%9.3f %5.1f%%  %-16s %-20s %.60s\n", r.seconds * 1e3, r.seconds / sum * 100,
                r.kernel.c_str(), r.op.c_str(), r.node.c_str());
  }
  if (rows.size() > 30)
    std::printf("  ... and %zu steps more (--json lists all)\n", rows.size() - 30);
}

// Chrome's trace event format: open it in chrome://tracing or ui.perfetto.dev.
void write_trace(const std::string& path, const std::vector<StepRow>& rows) {
  Json events = Json::array();
  for (const StepRow& r : rows)
    events.push_back({{"name", r.node},
                      {"cat", r.kernel},
                      {"ph", "X"},
                      {"ts", r.start * 1e6},
                      {"dur", r.seconds * 1e6},
                      {"pid", 1},
                      {"tid", 1},
                      {"args", {{"op", r.op}, {"kernel", r.kernel}}}});
  write_file(path,
             Json{{"traceEvents", events}}.dump(-1, ' ', false, Json::error_handler_t::replace));
}

int run_bench(const BenchFlags& flags) {
  const auto opening = Clock::now();
  const Engine engine = open_engine(flags.path, flags.options, flags.json);
  const double open_seconds = since(opening);
  const auto inputs = flags.inputs.make(engine, run_shapes(flags.path, flags.options));
  if (flags.streams < 1 || flags.streams > 256)
    throw Error(ErrorCode::kInvalidArgument, "--streams: expected 1 to 256");
  std::vector<std::vector<double>> all(static_cast<size_t>(flags.streams));
  std::vector<std::exception_ptr> failed(all.size());
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < all.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        all[i] = run_stream(engine, inputs, flags);
      } catch (...) {
        failed[i] = std::current_exception();
      }
    });
  for (std::thread& t : threads) t.join();
  for (const std::exception_ptr& p : failed)
    if (p) std::rethrow_exception(p);
  const double wall = since(start) - flags.warm_up;
  std::vector<double> times;
  for (const auto& one : all) times.insert(times.end(), one.begin(), one.end());
  std::vector<double> sorted = times;
  std::sort(sorted.begin(), sorted.end());
  const double median = quantile(sorted, 0.5);
  const bool steady = is_steady(all[0], median);
  const auto description = nlohmann::json::parse(engine.describe());
  const double arena = description["memory"]["arenas"][0]["bytes"],
               weights = description["memory"]["weights"];
  const std::vector<StepRow> rows = flags.layers || !flags.trace.empty()
                                        ? record_steps(engine, inputs, 20)
                                        : std::vector<StepRow>();
  if (!flags.trace.empty()) write_trace(flags.trace, rows);
  if (flags.json) {
    Json out{{"runs", sorted.size()},
             {"streams", flags.streams},
             {"open_seconds", open_seconds},
             {"latency_ms",
              {{"min", sorted.front()},
               {"median", median},
               {"p90", quantile(sorted, 0.9)},
               {"p99", quantile(sorted, 0.99)},
               {"max", sorted.back()}}},
             {"throughput", static_cast<double>(sorted.size()) / wall},
             {"steady", steady},
             {"weights", weights},
             {"arena", arena}};
    for (const StepRow& r : rows)
      out["steps"].push_back(
          {{"node", r.node}, {"op", r.op}, {"kernel", r.kernel}, {"ms", r.seconds * 1e3}});
    std::printf("%s\n", out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return 0;
  }
  std::printf("opened in    %.3f s\n", open_seconds);
  std::printf("runs         %zu by %d stream%s\n", sorted.size(), flags.streams,
              flags.streams == 1 ? "" : "s");
  std::printf("latency      median %.3f ms, min %.3f, p90 %.3f, p99 %.3f, max %.3f\n", median,
              sorted.front(), quantile(sorted, 0.9), quantile(sorted, 0.99), sorted.back());
  std::printf("throughput   %.1f runs a second\n", static_cast<double>(sorted.size()) / wall);
  std::printf("memory       weights %s, arena %s\n", bytes_text(weights).c_str(),
              bytes_text(arena).c_str());
  std::printf("steady       %s\n",
              steady ? "yes" : "no: the machine was busy, or there were too few runs");
  if (flags.layers) print_layers(rows);
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb = app.add_subcommand("bench", "measure latency, throughput and memory");
  verb->add_option("path", flags->path, "a plan, or an ONNX model, which is built first")
      ->required();
  flags->inputs.add(*verb);
  verb->add_option("--seconds", flags->seconds, "to measure for [3]")
      ->check(CLI::Range(0.0, 86400.0));
  verb->add_option("--warm-up", flags->warm_up, "seconds before that [0.5]")
      ->check(CLI::Range(0.0, 3600.0));
  verb->add_option("--streams", flags->streams, "contexts that run at once [1]");
  verb->add_flag("--layers", flags->layers, "time by step");
  verb->add_option("--trace", flags->trace, "write a Chrome trace of one run to this file");
  verb->add_flag("--json", flags->json, "print the result as JSON");
  flags->options.add(*verb, "any", true);
  verb->footer(
      "Examples:\n"
      "  planish bench model.plan --threads 2 --layers\n"
      "  planish bench model.onnx --shape x=1x3x640x640 --streams 2 --threads 1");
  verb->callback([flags, &exit_code] { exit_code = run_bench(*flags); });
}

}  // namespace planish::cli
