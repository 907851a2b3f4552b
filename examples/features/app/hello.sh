#!/bin/sh
# What the unit hello.service runs.
echo "hello from $(hostname)"
