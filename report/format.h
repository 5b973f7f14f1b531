// Numbers as people read them: three significant digits and a unit. Only for what is printed; JSON and CSV
// carry plain numbers in SI units.
#pragma once

#include <cstdint>
#include <string>

namespace rdusim::report {

std::string format_time(double time_s);            // "13.5 ms", "421 ms", "1.02 s", "0 s"
std::string format_bytes(double bytes);            // decimal: "13.5 GB", "64 B"
std::string format_bandwidth(double bytes_per_s);  // "1.53 TB/s"
std::string format_flops(double flops);            // "638 TFLOP"
std::string format_count(int64_t count);           // "6 738 415 616" with thin groups of three
std::string format_amount(double value);           // whole numbers as format_count, others as format_number
std::string format_number(double value);           // three significant digits: "0.41", "12.3", "4570"
std::string format_percent(double share);          // of 1: "41 %", "0.4 %", "100 %"
std::string format_ratio(double ratio);            // "31.2×"

}  // namespace rdusim::report
