// Values of the tail: conversion to a narrower format, to nearest or stochastically.
//
// Stochastic rounding adds random bits below the kept ones and truncates, so a value is rounded away from
// zero with the probability of its distance: unbiased. The random number of an element is a function of
// (seed, element), so a result does not depend on which PCU or cycle computes it. Published: random numbers,
// stochastic rounding and conversion are in the tail (MICRO 2024, Sec. IV-A); assumed: as many random bits as
// the conversion drops. Times are in the firing plan (a vector passes the tail at tail_elements_per_cycle).
#pragma once

#include <cstdint>
#include <span>

#include "sim/pcu/lane_rate.h"

namespace rdusim::sim {

enum class Rounding : uint8_t { kNearest, kStochastic };

// 64 bits for an element; equal arguments, equal bits.
uint64_t tail_random(uint64_t seed, uint64_t element);

// BF16 by truncation after adding the low 16 bits of `random` below the kept ones. NaN and infinity stay;
// what rounds beyond the largest BF16 becomes infinity.
float round_to_bf16_stochastic(float x, uint64_t random);
// Whole number in [low, high]: up with the probability of the fraction. NaN gives 0.
int64_t round_to_integer_stochastic(float x, uint64_t random, int64_t low, int64_t high);
// To nearest, ties to even, saturating. NaN gives 0.
int64_t round_to_integer_nearest(float x, int64_t low, int64_t high);

// A vector through the tail: `to` as values (integers exactly, as double). Element i of the vector is element
// first + i of the tile. `in` and `out` have equal sizes.
void convert_vector(std::span<const float> in, NumberFormat to, Rounding rounding, uint64_t seed,
                    uint64_t first, std::span<double> out);

}  // namespace rdusim::sim
