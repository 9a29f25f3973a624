"""People as features for any model: [h_u; v_u], what they did beside what they say, in one call.

A classifier of scikit-learn guesses people's age group from their first three events, from a few
words about themselves, and from both.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

import palate
from palate.core.histories import histories_of
from palate.data.samples import synthetic

INTERESTS = ("gardens", "cooking", "hiking", "the sea", "music", "astronomy")


def words_of(user: int, age: int) -> str:
    """What people write about themselves; every third writes nothing."""
    return "" if user % 3 == 0 else f"I like {INTERESTS[min((age - 20) // 8, 5)]}."


def main() -> None:
    data = synthetic(n_users=300)
    model = palate.Pipeline(
        encoders={"text": palate.TextEncoder(template="{title}. {description}")},
        recommender=palate.Content(),
    ).fit(data)

    ages = data.users["age"].to_list()
    histories = histories_of(data)
    early = histories.without_last(3).last(3)
    said = model.queries([words_of(user, age) for user, age in enumerate(ages)])

    users = palate.user_features(early, model.features, said)
    print(users)

    older = np.array(ages) > 36
    for names in (["history.text"], ["query.text"], ["history.text", "query.text"]):
        table = StandardScaler().fit_transform(np.asarray(users.select(names)))
        accuracy = cross_val_score(LogisticRegression(C=0.01), table, older, cv=5).mean()
        print(f"{' + '.join(names)}: {accuracy:.0%} right")
    print(f"the more frequent answer: {max(older.mean(), 1 - older.mean()):.0%} right")


if __name__ == "__main__":
    main()
