// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <latch>
#include <optional>
#include <thread>

#include "common.h"
#include "dtypes.h"
#include "files.h"
#include "inputs.h"
#include "measure.h"

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

struct Stream {
  std::vector<double> milliseconds;  // of each run
  Clock::time_point begin, end;      // of all of them
};

// Makes a context and warms it up, then waits until all streams have.
class StreamRunner {
 public:
  StreamRunner(const Engine& engine, const Values& inputs, const BenchFlags& flags)
      : engine_(engine), inputs_(inputs), flags_(flags), ready_(flags.streams) {}

  std::vector<Stream> run() {
    std::vector<Stream> streams(static_cast<size_t>(flags_.streams));
    std::vector<std::exception_ptr> failed(streams.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < streams.size(); ++i)
      threads.emplace_back([&, i] {
        try {
          streams[i] = run_one();
        } catch (...) {
          failed[i] = std::current_exception();
        }
      });
    for (std::thread& t : threads) t.join();
    for (const std::exception_ptr& p : failed)
      if (p) std::rethrow_exception(p);
    return streams;
  }

 private:
  Context warm_context() const {
    Context context = engine_.create_context();
    for (const auto& [name, value] : inputs_) context.set_input(name, value);
    const auto start = Clock::now();
    do context.run();
    while (since(start) < flags_.warm_up);
    return context;
  }

  Stream run_one() {
    std::optional<Context> context;
    try {
      context = warm_context();
    } catch (...) {
      ready_.count_down();
      throw;
    }
    ready_.arrive_and_wait();
    Stream out;
    out.begin = Clock::now();
    do {
      const auto one = Clock::now();
      context->run();
      out.milliseconds.push_back(since(one) * 1e3);
    } while (since(out.begin) < flags_.seconds);
    out.end = Clock::now();
    return out;
  }

  const Engine& engine_;
  const Values& inputs_;
  const BenchFlags& flags_;
  std::latch ready_;
};

// Seconds from the first run's begin to the last one's end.
double wall_of(const std::vector<Stream>& streams) {
  Clock::time_point begin = streams[0].begin, end = streams[0].end;
  for (const Stream& s : streams) {
    begin = std::min(begin, s.begin);
    end = std::max(end, s.end);
  }
  return std::chrono::duration<double>(end - begin).count();
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

void print_layers(const StepTimes& times) {
  std::vector<StepTime> rows;
  for (const StepTime& row : times.steps)
    if (row.program == 0) rows.push_back(row);
  std::sort(rows.begin(), rows.end(),
            [](const StepTime& a, const StepTime& b) { return a.seconds > b.seconds; });
  std::printf("\nsteps, slowest first; medians of %d runs, %.3f ms in all\n", times.runs,
              times.total * 1e3);
  std::printf("%9s %6s  %-14s %-18s %s\n", "ms", "share", "kernel", "op", "node");
  const size_t width = std::max<size_t>(20, terminal_columns() - 53);
  constexpr size_t kShown = 30;
  for (size_t i = 0; i < rows.size() && i < kShown; ++i) {
    const StepTime& r = rows[i];
    std::printf("%9.3f %5.1f%%  %s %s %s\n", r.seconds * 1e3, r.seconds / times.total * 100,
                padded(r.kernel, 14).c_str(), padded(step_title(r.op, r.kernel), 18).c_str(),
                fitted(r.node, width).c_str());
  }
  if (rows.size() > kShown)
    std::printf("  ... and %zu steps more (--json lists all)\n", rows.size() - kShown);
}

// Chrome's trace event format: open it in chrome://tracing or ui.perfetto.dev. Programs of control
// flow have rows of their own.
void write_trace(const std::string& path, const std::vector<StepTime>& rows) {
  Json events = Json::array();
  for (const StepTime& r : rows)
    events.push_back({{"name", r.op},
                      {"cat", r.kernel},
                      {"ph", "X"},
                      {"ts", r.start * 1e6},
                      {"dur", r.seconds * 1e6},
                      {"pid", 1},
                      {"tid", r.program + 1},
                      {"args", {{"node", r.node}, {"kernel", r.kernel}, {"step", r.step}}}});
  write_file(path, Json{{"traceEvents", events}, {"displayTimeUnit", "ms"}}.dump(
                       -1, ' ', false, Json::error_handler_t::replace));
}

void print_result(const Json& out) {
  const Json& ms = out["latency_ms"];
  const auto number = [&](const char* key) { return ms[key].get<double>(); };
  std::string shapes;
  for (const auto& [name, shape] : out["inputs"].items())
    shapes += (shapes.empty() ? "" : ", ") + name + " " + shape.get<std::string>();
  std::printf("inputs       %s\n", fitted(shapes, terminal_columns() - 14).c_str());
  std::printf("opened in    %s\n", seconds_text(out["open_seconds"].get<double>()).c_str());
  std::printf("runs         %d by %d stream%s, after %g s of warm-up\n", out["runs"].get<int>(),
              out["streams"].get<int>(), out["streams"] == 1 ? "" : "s",
              out["warm_up_seconds"].get<double>());
  std::printf("latency      median %.3f ms, mean %.3f, min %.3f, max %.3f\n", number("median"),
              number("mean"), number("min"), number("max"));
  std::printf("             p90 %.3f ms, p95 %.3f, p99 %.3f\n", number("p90"), number("p95"),
              number("p99"));
  std::printf("throughput   %.1f runs a second\n", out["throughput"].get<double>());
  std::string arena = bytes_text(out["arena"].get<double>());
  if (out.contains("device_arena"))
    arena += ", on the GPU " + bytes_text(out["device_arena"].get<double>()) + ",";
  std::printf("memory       weights %s; arena %s a stream\n",
              bytes_text(out["weights"].get<double>()).c_str(), arena.c_str());
  std::printf("steady       %s\n", out["steady"].get<bool>()
                                       ? "yes: every tenth of the runs has a median within 10 %"
                                       : "no: the machine was busy, or there were too few runs");
}

int run_bench(const BenchFlags& flags) {
  const auto opening = Clock::now();
  if (flags.streams < 1 || flags.streams > 256)
    throw Error(ErrorCode::kInvalidArgument,
                "--streams: expected 1 to 256, got " + std::to_string(flags.streams));
  const Engine engine = open_engine(flags.path, flags.options, flags.json);
  const double open_seconds = since(opening);
  const auto inputs = flags.inputs.make(engine, run_shapes(flags.path, flags.options));
  const std::vector<Stream> streams = StreamRunner(engine, inputs, flags).run();
  std::vector<double> sorted;
  for (const Stream& s : streams)
    sorted.insert(sorted.end(), s.milliseconds.begin(), s.milliseconds.end());
  std::sort(sorted.begin(), sorted.end());
  const double median = quantile(sorted, 0.5);
  const bool steady = is_steady(streams[0].milliseconds, median);
  double sum = 0;
  for (double t : sorted) sum += t;
  Json out{{"runs", sorted.size()},
           {"streams", flags.streams},
           {"warm_up_seconds", flags.warm_up},
           {"open_seconds", open_seconds},
           {"latency_ms",
            {{"min", sorted.front()},
             {"mean", sum / static_cast<double>(sorted.size())},
             {"median", median},
             {"p90", quantile(sorted, 0.9)},
             {"p95", quantile(sorted, 0.95)},
             {"p99", quantile(sorted, 0.99)},
             {"max", sorted.back()}}},
           {"throughput", static_cast<double>(sorted.size()) / wall_of(streams)},
           {"steady", steady},
           {"weights", summary_of(engine)["weights"]},
           {"inputs", Json::object()}};
  for (const auto& [name, value] : inputs)
    out["inputs"][name] = value.is_tensor() ? dims_text(value.dims()) : "-";
  Context context = engine.create_context();
  context.run(inputs);
  const Json layout = Json::parse(context.layout());
  out["arena"] = layout["bytes"];
  if (layout["device_bytes"] != 0) out["device_arena"] = layout["device_bytes"];
  if (!flags.trace.empty()) write_trace(flags.trace, trace_run(context, inputs));
  StepTimes layers;
  if (flags.layers) {
    layers = measure_steps(context, inputs, 20, 5);
    for (const StepTime& r : layers.steps)
      out["steps"].push_back({{"program", r.program},
                              {"step", r.step},
                              {"node", r.node},
                              {"op", r.op},
                              {"kernel", r.kernel},
                              {"calls", r.calls},
                              {"ms", r.seconds * 1e3}});
  }
  if (flags.json) {
    print_json(out);
    return 0;
  }
  print_result(out);
  if (flags.layers) print_layers(layers);
  if (!flags.trace.empty())
    std::printf("\n%s: open it in ui.perfetto.dev or chrome://tracing\n", flags.trace.c_str());
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb = app.add_subcommand("bench", "measure latency, throughput and memory");
  verb->add_option("PATH", flags->path, "a plan, or an ONNX model, which is built first")
      ->required();
  flags->inputs.add(*verb);
  verb->add_option("--seconds", flags->seconds, "to measure for [3]")
      ->check(CLI::Range(0.0, 86400.0));
  verb->add_option("--warm-up", flags->warm_up, "seconds before that [0.5]")
      ->check(CLI::Range(0.0, 3600.0));
  verb->add_option("--streams", flags->streams, "contexts that run at once [1]");
  verb->add_flag("--layers", flags->layers, "time by step");
  verb->add_option("--trace", flags->trace, "write a Chrome trace of one run to this file")
      ->type_name("FILE");
  verb->add_flag("--json", flags->json, "print the result as JSON");
  flags->options.add(*verb, "any", true);
  verb->footer(
      "Examples:\n"
      "  planish bench model.plan --threads 2 --layers\n"
      "  planish bench model.onnx --shape x=1x3x640x640 --streams 2 --threads 1\n"
      "  planish bench model.onnx --shapes x=1x3x224x224 --seconds 10 --json\n"
      "  planish bench model.plan --input x=x.npy --trace trace.json");
  verb->callback([flags, &exit_code] { exit_code = run_bench(*flags); });
}

}  // namespace planish::cli
