"""Write what the repeats of one recipe predicted into a small file under bench/seeds, without any text.

  python tools/seeds.py RECIPE NAME [--workspace DIR]

The file has a row for each sentence of a split: its gold tags, and those of each repeat. Tags alone can't be turned
back into the data set. bench/verdicts.py reads it.
"""

import argparse
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.sides import side
from core.workspace import Workspace

FOLDER = Path(__file__).parents[1] / "bench" / "seeds"
TAGS = pa.list_(pa.dictionary(pa.int16(), pa.string()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("name")
    parser.add_argument("--workspace", default="workspace")
    args = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for split in ("dev", "test"):
        found = side(Workspace.open(Path(args.workspace)), args.recipe, split)
        columns = {"gold": found.gold.table.column("tags")}
        columns |= {f"repeat_{at}": column for at, column in enumerate(found.predicted)}
        arrays = [pa.array(column.to_pylist(), TAGS) for column in columns.values()]
        path = FOLDER / f"{args.name}-{split}.parquet"
        pyarrow.parquet.write_table(pa.table(arrays, list(columns)), path, compression="zstd", compression_level=19)
        print(f"{path.name}: {len(found.predicted)} repeats, {len(found.gold)} sentences, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
