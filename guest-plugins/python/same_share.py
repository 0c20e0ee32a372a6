"""The plugin `same_share`: two events are as alike as the share of their properties that agree. It shows how little a
scorer takes; `property_similarity` is the one to use.
"""

from dedup_plugin import CHANGED, SAME, Info, Pair, Score, similarity_scorer, split_pointers


@similarity_scorer
class SameShare:
    INFO = Info(name="same_share", version="0.1.0")

    def configure(self, config: str) -> list[str]:
        return split_pointers(config) or [""]

    def compare(self, pair: Pair) -> Score:
        same = pair.same()
        inside = [is_same for path, is_same in zip(pair.paths(), same) if path.startswith(b"/properties/")]
        return Score(share(same), share(inside), [SAME if is_same else CHANGED for is_same in same])


def share(same: list[bool]) -> float:
    return sum(same) / len(same) if same else 1.0
