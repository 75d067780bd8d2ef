import datetime
import json

import jax

from jaxdl.runs.environment import describe_environment


def test_the_environment_says_what_a_result_depends_on():
    environment = describe_environment()
    assert set(environment) == {
        *(
            "platform",
            "device_kind",
            "device_count",
            "process_count",
            "processor",
            "processor_cores",
        ),
        *("python_version", "jax_version", "flax_version", "optax_version", "date"),
    }
    assert environment["platform"] == jax.default_backend()
    assert environment["jax_version"] == jax.__version__
    assert environment["processor"]
    date = datetime.datetime.fromisoformat(environment["date"])
    assert abs(datetime.datetime.now(datetime.UTC) - date) < datetime.timedelta(minutes=1)
    assert json.loads(json.dumps(environment)) == environment
