"""What mathematics predicts, to stand beside what was measured; pure functions, NumPy at import.

gaussian       expectations under a Gaussian, accurate for kinked functions
maps           one infinitely wide layer: maps of variance and correlation, slopes, fixed points
mean_field     whole networks: depth scales, criticality, σw² of an initializer, the profile over layers
finite_width   the random ratio over a layer of n units: drift, variance, dead networks, JJᵀ
normalization  gradient factors of batch and layer normalization
quadratics     rates, stability limits and first steps of optimizers; condition numbers of inputs
"""
