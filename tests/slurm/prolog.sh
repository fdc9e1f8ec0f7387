#!/bin/sh
# What each task of a job does first: a line `unset ...` of its output takes from the environment.
# GPUs are none here, so no job is told that it has one, unless the file `announce` is there.
if [ ! -e $folder/announce ]; then
    echo unset SLURM_JOB_GPUS
    echo unset SLURM_STEP_GPUS
fi
