// SPDX-License-Identifier: Apache-2.0
// Runs kernels on a real GPU for the tests of the emulator's tables: the driver, opened at run
// time, and machine code that tools/kernel_table.py --cubins has left in a folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace planish::emulator {

// Memory of the device, as wide as asked for.
class DeviceBytes {
 public:
  explicit DeviceBytes(size_t size);
  ~DeviceBytes();
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  uint64_t address() const { return address_; }
  void fill(unsigned char byte);
  void copy_in(const void* from);
  void copy_out(void* to) const;

 private:
  size_t size_;
  uint64_t address_ = 0;
};

class DeviceModule {
 public:
  explicit DeviceModule(const std::string& path);
  ~DeviceModule();
  DeviceModule(const DeviceModule&) = delete;
  DeviceModule& operator=(const DeviceModule&) = delete;
  // Returns the driver's complaint, empty on success.
  std::string launch(const std::string& entry, const uint32_t (&grid)[3], uint32_t threads,
                     uint32_t shared_bytes, std::span<const std::byte> params) const;

 private:
  void* module_ = nullptr;
};

// The folder of machine code, if tests are to run on the device: PLANISH_TEST_CUBINS.
const char* cubin_folder();

}  // namespace planish::emulator
