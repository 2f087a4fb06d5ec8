"""The variables by which numerical libraries learn, when they are loaded, how many threads to take.

Sums differ in their last bits with the number of threads: a build has the same bytes where it is
one everywhere.
"""

# Those that Snakemake sets to a job's threads
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
ON_ONE_THREAD = dict.fromkeys(THREAD_VARIABLES, "1")
