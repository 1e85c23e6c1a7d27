"""Services that run what a caller tells them with a role the caller passes: which actions launch that (R7.8)."""

from __future__ import annotations

from dataclasses import dataclass

_REFERENCE = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_"


@dataclass(frozen=True, slots=True)
class Launch:
    """One way to run something with a passed role: actions, each with the resources it is about.

    A resource is an ARN after `arn:PARTITION:`, in which `ACCOUNT` stands for the account, or `*` for actions without
    resources. `needs` is the reason code of what else must exist and is not collected.
    """

    actions: tuple[tuple[str, str], ...]
    needs: str = ""


@dataclass(frozen=True, slots=True)
class LaunchingService:
    """A service principal that trust policies name, what people call it, and the page that says it takes a role."""

    principal: str
    name: str
    page: str
    launches: tuple[Launch, ...]


_PROFILE = (("iam:CreateInstanceProfile", "*"), ("iam:AddRoleToInstanceProfile", "*"))
_TASK = (("ecs:RegisterTaskDefinition", "*"), ("ecs:RunTask", "ecs:*:ACCOUNT:task-definition/*"))

_TABLE = (
    LaunchingService("lambda.amazonaws.com", "AWS Lambda", f"{_REFERENCE}awslambda.html", (
        Launch((
            ("lambda:CreateFunction", "lambda:*:ACCOUNT:function:*"),
            ("lambda:InvokeFunction", "lambda:*:ACCOUNT:function:*"),
        )),
        Launch((("lambda:CreateFunction", "lambda:*:ACCOUNT:function:*"), ("lambda:CreateEventSourceMapping", "*"))),
    )),
    LaunchingService("ec2.amazonaws.com", "Amazon EC2", f"{_REFERENCE}amazonec2.html", (
        Launch((*_PROFILE, ("ec2:RunInstances", "ec2:*:*:*"))),
        Launch((("ec2:RunInstances", "ec2:*:*:*"),), needs="launch_needs_more"),
    )),
    LaunchingService(
        "ecs-tasks.amazonaws.com", "Amazon ECS", f"{_REFERENCE}amazonelasticcontainerservice.html", (
            Launch((("ecs:CreateCluster", "*"), *_TASK)),
            Launch(_TASK, needs="launch_needs_more"),
        ),
    ),
    LaunchingService("glue.amazonaws.com", "AWS Glue", f"{_REFERENCE}awsglue.html", (
        Launch((("glue:CreateJob", "glue:*:ACCOUNT:job/*"), ("glue:StartJobRun", "glue:*:ACCOUNT:job/*"))),
    )),
    LaunchingService("codebuild.amazonaws.com", "AWS CodeBuild", f"{_REFERENCE}awscodebuild.html", (
        Launch((
            ("codebuild:CreateProject", "codebuild:*:ACCOUNT:project/*"),
            ("codebuild:StartBuild", "codebuild:*:ACCOUNT:project/*"),
        )),
    )),
    LaunchingService(
        "cloudformation.amazonaws.com", "AWS CloudFormation",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html", (
            Launch((("cloudformation:CreateStack", "cloudformation:*:ACCOUNT:stack/*"),)),
        ),
    ),
    LaunchingService("states.amazonaws.com", "AWS Step Functions", f"{_REFERENCE}awsstepfunctions.html", (
        Launch((
            ("states:CreateStateMachine", "states:*:ACCOUNT:stateMachine:*"),
            ("states:StartExecution", "states:*:ACCOUNT:stateMachine:*"),
        )),
    )),
    LaunchingService("sagemaker.amazonaws.com", "Amazon SageMaker AI", f"{_REFERENCE}amazonsagemaker.html", (
        Launch((
            ("sagemaker:CreateNotebookInstance", "sagemaker:*:ACCOUNT:notebook-instance/*"),
            ("sagemaker:CreatePresignedNotebookInstanceUrl", "sagemaker:*:ACCOUNT:notebook-instance/*"),
        )),
        Launch((("sagemaker:CreateTrainingJob", "sagemaker:*:ACCOUNT:training-job/*"),)),
    )),
    LaunchingService("ssm.amazonaws.com", "AWS Systems Manager Automation", f"{_REFERENCE}awssystemsmanager.html", (
        Launch((
            ("ssm:CreateDocument", "ssm:*:ACCOUNT:document/*"),
            ("ssm:StartAutomationExecution", "ssm:*:*:*"),
        )),
    )),
)  # fmt: skip

_BY_PRINCIPAL = {service.principal: service for service in _TABLE}


def launching_service(principal: str) -> LaunchingService | None:
    """The service behind a service principal, if it is known what launches something with a passed role."""
    return _BY_PRINCIPAL.get(principal.removesuffix(".cn"))


def launch_actions() -> frozenset[str]:
    """Every action of the table."""
    return frozenset(action for s in _TABLE for launch in s.launches for action, _ in launch.actions)
