// Seen by every unit that sees ATen; made once per build tree.
#pragma once
#include <ATen/ATen.h>

#include "cmake/std_pch.h"
