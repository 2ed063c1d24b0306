"""scikit-learn's scores of classes: reads {labels, answers, scores?} cases as JSON, prints what it says of each."""
import json
import sys
import warnings

from sklearn import metrics

warnings.simplefilter("ignore")
with open(sys.argv[1]) as file:
    cases = json.load(file)


def scores_of(case):
    labels, answers = case["labels"], case["answers"]
    of = lambda average: metrics.precision_recall_fscore_support(labels, answers, average=average, zero_division=0)
    precision, recall, f1, support = (list(map(float, values)) for values in of(None))
    found = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    found["macro"] = [float(value) for value in of("macro")[:3]]
    found["weighted"] = [float(value) for value in of("weighted")[:3]]
    found["confusion"] = metrics.confusion_matrix(labels, answers).tolist()
    if "scores" in case:
        found["auroc"] = float(metrics.roc_auc_score(labels, case["scores"]))
        found["average_precision"] = float(metrics.average_precision_score(labels, case["scores"]))
    return found


print(json.dumps([scores_of(case) for case in cases]))
