#include "report/floorplan_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/arch/fabric.h"
#include "base/program/route.h"
#include "base/program/topology.h"

namespace rdusim::report {
namespace {

constexpr std::array<const char*, kHeadings> kHeadingNames = {"east", "south", "west", "north"};

// "0-3 7": ascending, neighbours drawn together.
std::string tile_ranges(std::vector<TileId> tiles) {
  std::sort(tiles.begin(), tiles.end());
  std::string text;
  for (size_t i = 0; i < tiles.size();) {
    size_t last = i;
    while (last + 1 < tiles.size() && tiles[last + 1].value == tiles[last].value + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : " ", tiles[i].value);
    if (last > i) text += fmt::format("-{}", tiles[last].value);
    i = last + 1;
  }
  return text;
}

Json tile_rows(const Fabric& fabric) {
  Json rows = Json::array();
  for (int64_t r = 0; r < fabric.shape().rows; ++r) {
    std::string row;
    for (int64_t c = 0; c < fabric.shape().columns; ++c) {
      const TileKind kind = fabric.kind(fabric.tile(r, c));
      row += kind == TileKind::kPcu ? 'P' : kind == TileKind::kPmu ? 'M' : '.';
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

Json units_json(const Section& section, const SectionResult& result) {
  Json units = Json::array();
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    if (unit.tiles.empty() || unit.kind == UnitKind::kBuffer) continue;
    const double busy = u < result.units.size() && result.units[u].firings > 0
                            ? share(static_cast<double>(result.units[u].busy_cycles),
                                    static_cast<double>(result.cycles_per_launch))
                            : 0;
    units.push_back({{"name", unit.name},
                     {"kind", std::string(unit_kind_name(unit.kind))},
                     {"busy", busy},
                     {"tiles", tile_ranges(unit.tiles)}});
  }
  return units;
}

// Channels with PMUs of their own, and buffers.
Json stores_json(const Section& section, const ChipSpec& chip) {
  Json stores = Json::array();
  const auto add = [&](const std::string& name, int64_t bytes, int64_t pmus,
                       const std::vector<TileId>& tiles) {
    if (tiles.empty()) return;
    const double fill =
        share(static_cast<double>(bytes), static_cast<double>(pmus * chip.pmu.capacity_bytes));
    stores.push_back({{"name", name}, {"fill", std::min(1.0, fill)}, {"tiles", tile_ranges(tiles)}});
  };
  for (const Channel& channel : section.channels)
    add(channel.name, channel.capacity_tokens * channel.token_bytes(), channel.pmus, channel.tiles);
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kBuffer) continue;
    int64_t largest = 0;
    for (const OutputPort& port : unit.outputs) {
      for (const ChannelId c : port.channels)
        largest = std::max(largest, section.channels[c.value].token_bytes());
    }
    add(unit.name, largest, unit.pmus, unit.tiles);
  }
  return stores;
}

// Bytes over each directed link in one run.
std::vector<double> link_bytes(const Fabric& fabric, const Section& section) {
  std::vector<double> bytes(static_cast<size_t>(fabric.link_slots()), 0);
  const auto ends = channel_ends(section);
  if (!ends.ok()) return bytes;  // verify_program has refused such a program before it ran
  for (size_t c = 0; c < section.channels.size(); ++c) {
    const ChannelEnds& end = (*ends)[c];
    if (!end.producer) continue;
    const Unit& producer = section.units[end.producer->value];
    const int64_t tokens = active_firings(producer.outputs[end.output_port].phases, producer.firings);
    const auto all = static_cast<double>(tokens * section.channels[c].token_bytes());
    for (const auto& leg : section.channels[c].legs) {
      for (const Route& route : leg) {
        visit_links(fabric, route,
                    [&](LinkId link) { bytes[link.value] += all / static_cast<double>(leg.size()); });
      }
    }
  }
  return bytes;
}

char load_letter(double load) {
  if (load <= 0) return '.';
  if (load > 1.0001) return '+';
  return static_cast<char>('0' + std::min(9, static_cast<int>(load * 10)));
}

void add_links(Json& json, const Fabric& fabric, const Section& section, const ChipSpec& chip,
               int64_t cycles) {
  const auto bytes = link_bytes(fabric, section);
  double busiest = 0;
  double sum = 0;
  int64_t used = 0;
  json["links"] = Json::object();
  for (size_t h = 0; h < kHeadings; ++h) {
    Json rows = Json::array();
    for (int64_t r = 0; r < fabric.shape().rows; ++r) {
      std::string row;
      for (int64_t c = 0; c < fabric.shape().columns; ++c) {
        const LinkId link = fabric.link(fabric.tile(r, c), static_cast<Heading>(h));
        const double capacity =
            static_cast<double>(cycles) * static_cast<double>(fabric.link_bytes_per_cycle(chip.rdn, link));
        const double load = share(bytes[link.value], capacity);
        row += load_letter(load);
        busiest = std::max(busiest, load);
        sum += load;
        used += load > 0 ? 1 : 0;
      }
      rows.push_back(std::move(row));
    }
    json["links"][kHeadingNames[h]] = std::move(rows);
  }
  json["busiest_link"] = busiest;
  json["mean_link"] = share(sum, static_cast<double>(used));
}

}  // namespace

Json floorplan_json(const Program& program, const RunResult& result, const ChipSpec& chip) {
  if (program.mesh.rows == 0) return nullptr;
  const Fabric fabric(program.mesh, chip.pcu.count, chip.pmu.count);
  Json json;
  json["rows"] = program.mesh.rows;
  json["columns"] = program.mesh.columns;
  json["dies"] = program.mesh.dies;
  json["tiles"] = tile_rows(fabric);
  json["sections"] = Json::array();
  for (const Section& section : program.sections) {
    // Launches of one section on other symbols are results of their own; the first stands for them.
    const auto found = std::find_if(result.sections.begin(), result.sections.end(),
                                    [&](const SectionResult& r) { return r.name == section.name; });
    if (found == result.sections.end()) continue;
    Json one;
    one["name"] = section.name;
    one["units"] = units_json(section, *found);
    one["stores"] = stores_json(section, chip);
    add_links(one, fabric, section, chip, found->streaming_cycles() / found->iterations);
    json["sections"].push_back(std::move(one));
  }
  return json;
}

Json hardware_json(const Program& program, const NodeSpec& node) {
  const ChipSpec& chip = node.chip;
  const std::array<int64_t, kTierCount> capacity = {chip.pmu.count * chip.pmu.capacity_bytes,
                                                    chip.hbm.capacity_bytes, chip.ddr.capacity_bytes};
  Json json;
  json["node"] = node.name;
  json["sockets"] = node.sockets;
  json["flops_per_s"] = chip.peak_flops();
  json["hbm_bytes_per_s"] = chip.hbm.achieved_bytes_per_s();
  json["ddr_bytes_per_s"] = chip.ddr.achieved_bytes_per_s();
  json["link_bytes_per_s"] = node.link.bandwidth_bytes_per_s;
  json["memory"] = Json::array();
  for (size_t t = 0; t < kTierCount; ++t) {
    json["memory"].push_back({{"tier", std::string(tier_name(static_cast<Tier>(t)))},
                              {"used_bytes", program.tiers[t].bytes},
                              {"capacity_bytes", capacity[t]}});
  }
  return json;
}

}  // namespace rdusim::report
