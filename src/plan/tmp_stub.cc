#include "plan/reader.h"
#include "plan/writer.h"
#include <stdexcept>
namespace planish::plan { 
__attribute__((weak)) Plan read_plan(std::span<const std::byte>) { throw std::runtime_error("no reader"); }
__attribute__((weak)) Plan load_plan(const std::string&, FileAccess) { throw std::runtime_error("no reader"); }
__attribute__((weak)) std::vector<std::byte> write_plan(const Plan&) { throw std::runtime_error("no writer"); }
__attribute__((weak)) void save_plan(const Plan&, const std::string&) { throw std::runtime_error("no writer"); }
}
