"""Frames of stored sequences as an array that is read row by row."""

from affect4d import store


class StoredFrames:
    """Difference vectors of many sequences, read as they are sliced; D of SparseLocalizedPCA.

    Parameters
    ----------
    selection : dict of path to ints
        For each registered sequence its frames, in the order of the rows.
    neutral : dict of path to ints
        For each sequence the frames whose mean is subtracted.
    scale : (V, 1) float32, optional
        Multiplies each vertex's motion.
    workers : int
        Threads that read.

    Attributes
    ----------
    shape : (m, V, 3)
    dtype : float32

    Raises
    ------
    ValueError
        No frame is selected.
    """

    def __init__(self, selection, neutral, scale=None, workers=1):
        self._rows = [(path, int(frame)) for path, frames in selection.items() for frame in frames]
        self._neutral, self._scale, self._workers = neutral, scale, workers
        if not self._rows:
            raise ValueError("no frame is selected")
        vertices = store.open(self._rows[0][0])["vertices"]
        self.shape, self.dtype = (len(self._rows), *vertices.shape[1:]), vertices.dtype

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, rows):
        """Difference vectors (N, V, 3) float32, mm, of a slice of rows."""
        selection: dict = {}
        for path, frame in self._rows[rows]:
            selection.setdefault(path, []).append(frame)
        block = store.gather(selection, origins=self._neutral, workers=self._workers)
        if self._scale is not None:
            block *= self._scale
        return block
