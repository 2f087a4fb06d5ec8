"""A photograph edited by a deformation: flow, inverse flow, warp, light, blend, mouth."""
