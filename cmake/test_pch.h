// Seen by every test that does not see ATen.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cmake/std_pch.h"
