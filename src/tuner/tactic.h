// SPDX-License-Identifier: Apache-2.0
// What a tuner chooses between, as a backend tells it. Nothing here knows an op or a device.
//
// A backend describes each problem of a network: a key that holds everything that the choice
// depends on, and its tactics, cheap to list. Only if a problem is measured is its Trial opened,
// which puts data on the device and makes the tactics ready to run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace planish::tuner {

// One way to compute a problem.
struct Tactic {
  // Unique in its problem and without a space; what plans and timing caches call it.
  std::string name;
  double cost = 0;      // estimated seconds of one run
  std::string refusal;  // why it does not take the problem, a sentence; empty: it does
};

// A tactic with its data, ready to run. run() may return before a device has finished: the meter
// that times it waits.
class Runnable {
 public:
  virtual ~Runnable() = default;
  virtual void run() = 0;
};

// A problem on the device. Lives while the problem is measured.
class Trial {
 public:
  virtual ~Trial() = default;
  // Makes a tactic ready. Throws planish::Error if it cannot: the message becomes its refusal.
  virtual std::unique_ptr<Runnable> prepare(size_t tactic) = 0;
  // Runs it and compares what it gives with the reference. Empty if that is right, else a sentence.
  virtual std::string check(size_t tactic, Runnable& runnable) = 0;
};

struct Problem {
  // Op, attributes, sizes, types, layout, tail, device, threads, versions of all libraries.
  std::string key;
  std::string label;  // what a person calls it
  int64_t count = 1;  // nodes of the network that are this problem
  // In the order of preference: of two that are equally fast the first is taken.
  std::vector<Tactic> tactics;
  // Empty: the problem cannot be measured (a size is not known before run time).
  std::function<std::unique_ptr<Trial>()> open;
};

// The device's clock.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual double now() = 0;  // seconds of wall time, for budgets
  // Runs it and waits for the device; seconds of the run. A device whose clock is coarse may run it
  // several times and give the mean.
  virtual double time(Runnable& runnable) = 0;
  // How many seconds of a CPU the device's are worth, where the effort depends on how long a
  // problem runs.
  virtual double worth() const { return 1; }
};

}  // namespace planish::tuner
