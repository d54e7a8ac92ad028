import pytest

from rehearsal.deployment import Deployment

pytestmark = pytest.mark.rehearsal


def targets(stack: Deployment) -> dict[str, float]:
    """Return the target value of each policy, by metric."""
    tracked = [
        policy.inputs["targetTrackingScalingPolicyConfiguration"]
        for policy in stack.of_type("aws:appautoscaling/policy:Policy")
    ]
    return {
        one["predefinedMetricSpecification"]["predefinedMetricType"]: one["targetValue"] for one in tracked
    }


def test_tasks_are_neither_idle_nor_full(stack: Deployment) -> None:
    assert 40 <= targets(stack)["ECSServiceAverageCPUUtilization"] <= 80


def test_half_the_cpu_serves_half_the_requests(stack: Deployment, cheap_stack: Deployment) -> None:
    whole, half = (
        (
            float(mode.one("aws:ecs/taskDefinition:TaskDefinition", "tracking-server-task").inputs["cpu"]),
            targets(mode),
        )
        for mode in (stack, cheap_stack)
    )
    assert whole[0] == 2 * half[0]
    assert whole[1]["ALBRequestCountPerTarget"] == 2 * half[1]["ALBRequestCountPerTarget"] > 0
