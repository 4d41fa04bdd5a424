// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/onednn/dnnl_support.h"

#include <algorithm>

#include "backend/cpu/kernels/partition.h"
#include "base/str.h"
#include "planish/error.h"

// OpenMP's, of the library that oneDNN is linked to; clang has no <omp.h> of its own here.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int threads);
}

namespace planish::cpu::onednn {

const dnnl::engine& cpu_engine() {
  static const dnnl::engine kEngine(dnnl::engine::kind::cpu, 0);
  return kEngine;
}

OneThread::OneThread() : before_(omp_get_max_threads()) {
  if (before_ != 1) omp_set_num_threads(1);
}

OneThread::~OneThread() {
  if (before_ != 1) omp_set_num_threads(before_);
}

void rethrow(const dnnl::error& error) {
  const bool is_memory = error.status == dnnl_out_of_memory;
  throw Error(is_memory ? ErrorCode::kOutOfMemory : ErrorCode::kInternal,
              concat("oneDNN: ", error.what()));
}

dnnl::primitive_attr plain_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

dnnl::memory PackedWeights::get(const dnnl::memory::desc& plain, int64_t first,
                                const dnnl::memory::desc& packed) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Form& form : forms_)
    if (form.first == first && form.desc == packed) return form.memory;
  auto* data = const_cast<float*>(weights_.as<float>() + first);
  dnnl::memory source(plain, cpu_engine(), data);
  if (packed != plain) {
    dnnl::memory target(packed, cpu_engine());
    dnnl::stream stream(cpu_engine());
    dnnl::reorder(source, target).execute(stream, source, target);
    stream.wait();
    source = target;
  }
  forms_.push_back({first, packed, source});
  return source;
}

Call::Call(dnnl::primitive primitive, const std::vector<std::pair<int, dnnl::memory::desc>>& moving,
           const Arguments& fixed, const dnnl::memory::desc& scratch, int threads)
    : primitive_(std::move(primitive)), scratch_bytes_(scratch.get_size()) {
  for (int slot = 0; slot < threads; ++slot) {
    Arguments& arguments = slots_.emplace_back(fixed);
    for (const auto& [argument, desc] : moving)
      arguments.emplace(argument, dnnl::memory(desc, cpu_engine(), DNNL_MEMORY_NONE));
    arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(scratch, cpu_engine(), DNNL_MEMORY_NONE));
  }
}

void Call::run(int slot, std::initializer_list<std::pair<int, const void*>> data,
               std::byte* scratch) const {
  // A context runs on one thread at a time, and a slot of its pool too: nobody else uses these.
  auto& arguments = const_cast<Arguments&>(slots_[static_cast<size_t>(slot)]);
  for (const auto& [argument, pointer] : data)
    arguments.at(argument).set_data_handle(const_cast<void*>(pointer));
  arguments.at(DNNL_ARG_SCRATCHPAD).set_data_handle(scratch);
  static thread_local dnnl::stream stream(cpu_engine());
  primitive_.execute(stream, arguments);
}

void require_counted(const StepShapes& shapes, std::initializer_list<int64_t> numbers) {
  for (const int64_t n : numbers)
    shapes.require(n >= 0 && n <= INT32_MAX,
                   "sizes that oneDNN does not count; disable_tactic=onednn leaves it out");
}

int64_t wanted_tasks(double multiplications, int threads) {
  const double carried = multiplications / static_cast<double>(kWorthSharing);
  return std::min(wanted_parts(threads), static_cast<int64_t>(std::clamp(carried, 1.0, 1e6)));
}

}  // namespace planish::cpu::onednn
